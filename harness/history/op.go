package history

import (
	"fmt"
	"strconv"
)

// Type says what an operation record stands for.
type Type uint8

// An invocation is recorded before the operation is handed to a client; its
// completion after it came back, as one of three types. OK: it happened. Fail:
// it certainly did not. Info: either, at any time after the invocation.
const (
	Invoke Type = iota
	OK
	Fail
	Info
)

var typeNames = [...]string{Invoke: "invoke", OK: "ok", Fail: "fail", Info: "info"}

// String returns Jepsen's name of the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// ParseType is the inverse of [Type.String].
func ParseType(name string) (Type, error) {
	for t, n := range typeNames {
		if n == name {
			return Type(t), nil
		}
	}
	return 0, fmt.Errorf("unknown operation type %q: want invoke, ok, fail or info", name)
}

// Process is a logical thread of operations: at most one of its operations is
// open at a time, and after an info it is never used again.
type Process int32

// Nemesis is the process that injects faults and records what happened to the
// cluster: its records come in type info, both at the start and at the end.
const Nemesis Process = -1

// NoProcess is the process of records that name none. Histories that people
// wrote by hand have such records; Ordeal never writes one. [History.Calls]
// takes all of them for one process.
const NoProcess Process = -2

// String returns the number of a client's process, "nemesis" or "none".
func (p Process) String() string {
	switch p {
	case Nemesis:
		return "nemesis"
	case NoProcess:
		return "none"
	default:
		return strconv.Itoa(int(p))
	}
}

// Op is one record of a history: the invocation or the completion of an
// operation, or an event of the nemesis.
type Op struct {
	Index   int     // position in the history, dense from 0
	Time    int64   // nanoseconds since the start of the run, on one monotonic clock
	Process Process // who did it
	Type    Type
	Final   bool   // it belongs to the final phase, after all faults were healed
	F       string // what was done: "read", "write", "cas", "add", "partition"
	Key     Value  // which of many independent objects; absent when there is one
	Value   Value  // argument of an invocation, result of a completion
	Node    string // the node that the client belongs to, "n1" to "n9"
	Error   string // why it failed or is unknown: a stable name, then details
}

// Call is an operation as a whole: an invocation with its completion.
type Call struct {
	Invoke   *Op
	Complete *Op // nil if the history ended first, which means the same as an info
}

// Type returns how the call ended: OK, Fail or Info.
func (c Call) Type() Type {
	if c.Complete == nil {
		return Info
	}
	return c.Complete.Type
}

// Value returns the result of a call that is OK and its argument otherwise.
func (c Call) Value() Value {
	if c.Complete != nil && c.Complete.Type == OK {
		return c.Complete.Value
	}
	return c.Invoke.Value
}

// History is a recorded run, in the order in which things were recorded.
type History struct {
	Ops  []Op
	Torn *Torn // the tail of the file was damaged: Ops is the part before it

	// Indexes holds the indexes that the file gives to its records, where these
	// are not 0, 1, 2 and so on; else it is nil. See [History.FileIndex].
	Indexes []int64
	// Warnings are the oddities that were met on reading and that do not keep
	// anyone from judging the history.
	Warnings []Warning
}

// FileIndex returns the index that the file gives to record i, which is what
// a person looks for in the file. It is i itself unless the history is an
// extract or was put together by hand.
func (h *History) FileIndex(i int) int64 {
	if i < len(h.Indexes) {
		return h.Indexes[i]
	}
	return int64(i)
}

// Warning is an oddity of a history file: a time that goes back, or indexes
// that repeat. The order of the records is what counts in either case.
type Warning struct {
	Oddity Oddity
	Offset int64  // byte of the file where it was first met
	Line   int    // line of the text where it was first met
	Text   string // what it is
	Count  int    // how often it was met
}

// Oddity is a kind of warning.
type Oddity uint8

// The kinds of warnings.
const (
	TimeGoesBack    Oddity = iota // the time of a record is before that of an earlier one
	IndexesRepeated               // the index of a record is not above that of an earlier one
)

// String returns the warning with its place.
func (w Warning) String() string {
	return fmt.Sprintf("line %d: %s (%d times)", w.Line, w.Text, w.Count)
}

// Torn says where a history file stops being readable, as after a crash.
type Torn struct {
	Offset int64  // bytes of the file that were read without fault
	Reason string // what was wrong there
}

// Calls pairs the invocations of clients with their completions, in the order
// of the invocations. It is an error if a process invokes twice without a
// completion between, or completes what it did not invoke.
func (h *History) Calls() ([]Call, error) {
	calls := make([]Call, 0, len(h.Ops)/2)
	open := make(map[Process]int)
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Process == Nemesis {
			continue
		}
		at, busy := open[op.Process]
		switch {
		case op.Type == Invoke && busy:
			return nil, fmt.Errorf("index %d: process %v invokes %s while its %s of index %d is open",
				op.Index, op.Process, op.F, calls[at].Invoke.F, calls[at].Invoke.Index)
		case op.Type == Invoke:
			open[op.Process] = len(calls)
			calls = append(calls, Call{Invoke: op})
		case !busy:
			return nil, fmt.Errorf("index %d: process %v completes %s, which it did not invoke", op.Index, op.Process, op.F)
		case op.F != calls[at].Invoke.F:
			return nil, fmt.Errorf("index %d: process %v completes %s, but it invoked %s at index %d",
				op.Index, op.Process, op.F, calls[at].Invoke.F, calls[at].Invoke.Index)
		default:
			calls[at].Complete = op
			delete(open, op.Process)
		}
	}
	return calls, nil
}
