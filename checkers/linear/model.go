package linear

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Model says what an object does when one process after the other uses it:
// the sequential specification that concurrent operations must seem to follow.
// Those of [Models] are as the field has them; the fields that a model does not
// list among its options mean nothing to it.
type Model struct {
	Name    string   // what the command line calls it
	Doc     string   // a sentence on what the object is and which operations it has
	Options []string // which of the fields below it knows, by the names of [Model.With]

	// Initial is what a register, a key or a counter holds before everything
	// ("initial"). Absent, it is nil, or 0 for a counter. For a multi-register it
	// is a map from registers to their values.
	Initial history.Value
	// NilMatchesAny takes a read of nil for a read whose result is unknown, as
	// Knossos does ("nil=any"). Without it, such a read says that there was no
	// value, and is stale if there was one.
	NilMatchesAny bool
	// Permits is how many permits a semaphore has ("permits").
	Permits int
	// Limit is how often the owner of a reentrant mutex may hold it at a time
	// ("limit"); 0 is without limit.
	Limit int
	// Owners lets only who acquired release ("owner=process"). A reentrant mutex
	// always has an owner, which is a process.
	Owners bool

	fs    map[string]action // the operations, of what is judged as a register
	make  func(Model) spec  // of anything else
	texts bool              // the empty text is no value, and append makes it more than a register
}

// action is what an operation does to a register.
type action uint8

const (
	reads action = iota + 1
	writes
	swaps   // compare-and-set
	deletes // writes nil
)

// Register is one value that is read and written.
func Register() Model {
	return Model{
		Name:    "register",
		Doc:     "one value, initially nil: read, write, delete",
		Options: []string{"initial", "nil"},
		fs:      map[string]action{"read": reads, "write": writes, "delete": deletes},
	}
}

// CASRegister is a register with compare-and-set.
func CASRegister() Model {
	return Model{
		Name:    "cas-register",
		Doc:     "one value, initially nil: read, write, delete, cas [old new]",
		Options: []string{"initial", "nil"},
		fs:      map[string]action{"read": reads, "write": writes, "cas": swaps, "delete": deletes},
	}
}

// MultiRegister is many registers that one operation reads and writes together.
func MultiRegister() Model {
	return Model{
		Name:    "multi-register",
		Doc:     "many registers at once: txn [[read x 1] [write y 2] …]",
		Options: []string{"initial", "nil"},
		make:    newMultiSpec,
	}
}

// Mutex is a lock that one holds at a time.
func Mutex() Model {
	return Model{
		Name:    "mutex",
		Doc:     "a lock: acquire, release (by anyone, unless owner=process)",
		Options: []string{"owner"},
		Permits: 1,
		make:    newLockSpec,
	}
}

// ReentrantMutex is a lock that its owner may acquire again.
func ReentrantMutex() Model {
	return Model{
		Name:    "reentrant-mutex",
		Doc:     "a lock that its owner may acquire again, and must release as often: acquire, release",
		Options: []string{"limit"},
		Owners:  true,
		make:    newReentrantSpec,
	}
}

// Semaphore is a number of permits to acquire and release.
func Semaphore(permits int) Model {
	return Model{
		Name:    "semaphore",
		Doc:     "a number of permits: acquire [n], release [n]",
		Options: []string{"permits", "owner"},
		Permits: permits,
		make:    newLockSpec,
	}
}

// FIFOQueue is a queue whose elements come out in the order in which they went in.
func FIFOQueue() Model {
	return Model{
		Name: "fifo-queue",
		Doc:  "a queue that keeps its order: enqueue v, dequeue (of nil: it was empty)",
		make: newFIFOSpec,
	}
}

// UnorderedQueue is a queue whose elements come out in any order.
func UnorderedQueue() Model {
	return Model{
		Name: "unordered-queue",
		Doc:  "a queue without order, or bag: enqueue v, dequeue (of nil: it was empty)",
		make: newBagSpec,
	}
}

// Set is a set that elements are added to and removed from.
func Set() Model {
	return Model{
		Name:    "set",
		Doc:     "a set: add v, remove v, contains v (true or false), read (all elements)",
		Options: []string{"nil"},
		make:    newSetSpec,
	}
}

// Counter is a number that is added to.
func Counter() Model {
	return Model{
		Name:    "counter",
		Doc:     "a number, initially 0: add n, increment, decrement, read",
		Options: []string{"initial", "nil"},
		make:    newCounterSpec,
	}
}

// KV is a store of texts under keys, which are judged one by one.
func KV() Model {
	return Model{
		Name:    "kv",
		Doc:     "a value for each key, initially empty, which is the same as nil: get, put v, append text, delete, cas [old new]",
		Options: []string{"initial", "nil"},
		fs:      map[string]action{"get": reads, "put": writes, "cas": swaps, "delete": deletes, "read": reads, "write": writes},
		make:    newTextSpec,
		texts:   true,
	}
}

// Log is a list that is appended to.
func Log() Model {
	return Model{
		Name:    "log",
		Doc:     "a list, initially empty: append v, read (all elements)",
		Options: []string{"nil"},
		make:    newLogSpec,
	}
}

// Models returns all models.
func Models() []Model {
	return []Model{
		CASRegister(), Register(), MultiRegister(), Mutex(), ReentrantMutex(), Semaphore(1),
		FIFOQueue(), UnorderedQueue(), Set(), Counter(), KV(), Log(),
	}
}

// ModelNamed returns the model that is called name.
func ModelNamed(name string) (Model, error) {
	var names []string
	for _, m := range Models() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("unknown model %q: have %v", name, names)
}

// OptionError says that a model has no such option, or not with such a value.
type OptionError struct {
	Model  string
	Option string
	Known  []string // the options that the model has, if it does not have this one
	Reason string   // what is wrong with the value, if it does
}

// Error says what is wrong, and what would be right.
func (e *OptionError) Error() string {
	switch {
	case e.Reason != "":
		return fmt.Sprintf("the option %s of the model %s %s", e.Option, e.Model, e.Reason)
	case len(e.Known) == 0:
		return fmt.Sprintf("the model %s has no option %q: it has none at all", e.Model, e.Option)
	default:
		return fmt.Sprintf("the model %s has no option %q: it has %s", e.Model, e.Option, strings.Join(e.Known, ", "))
	}
}

// With returns the model with options, given by name as on a command line:
//
//	initial=V      what is there before everything: a number, true, false, nil, or else a text
//	nil=any        a read of nil had an unknown result; nil=value, the default, takes it at its word
//	permits=N      of a semaphore
//	limit=N        of a reentrant mutex: how often its owner may hold it
//	owner=process  only who acquired may release; owner=none, the default of locks, lets anyone
//
// It fails with an [OptionError].
func (m Model) With(options map[string]string) (Model, error) {
	names := make([]string, 0, len(options))
	for name := range options {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(m.Options, name) {
			return Model{}, &OptionError{Model: m.Name, Option: name, Known: m.Options}
		}
		if reason := m.set(name, options[name]); reason != "" {
			return Model{}, &OptionError{Model: m.Name, Option: name, Reason: reason}
		}
	}
	return m, nil
}

// set sets an option, or says what is wrong with its value.
func (m *Model) set(name, value string) string {
	switch name {
	case "initial":
		m.Initial = scalar(value)
		if _, ok := m.Initial.Int(); !ok && m.Name == Counter().Name {
			return fmt.Sprintf("is a whole number, not %q", value)
		}
		if m.Name == MultiRegister().Name {
			return "has no form on a command line: set Model.Initial"
		}
	case "nil":
		return choose(&m.NilMatchesAny, value, "any", "value")
	case "owner":
		return choose(&m.Owners, value, "process", "none")
	case "permits":
		return number(&m.Permits, value, 1)
	case "limit":
		return number(&m.Limit, value, 0)
	}
	return ""
}

func choose(field *bool, value, yes, no string) string {
	if value != yes && value != no {
		return fmt.Sprintf("is %s or %s, not %q", yes, no, value)
	}
	*field = value == yes
	return ""
}

func number(field *int, value string, least int) string {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || int(n) < least {
		return fmt.Sprintf("is a whole number of at least %d, not %q", least, value)
	}
	*field = int(n)
	return ""
}

// scalar reads a value from a command line.
func scalar(text string) history.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return history.Int(n)
	}
	switch text {
	case "true", "false":
		return history.Bool(text == "true")
	case "nil", "null":
		return history.Nil
	default:
		return history.String(text)
	}
}
