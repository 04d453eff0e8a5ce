package checkers

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// MaxAnomalies is how many anomalies a checker puts into one result. How many
// there were in all is in the details.
const MaxAnomalies = 16

// Some returns as many anomalies as go into one result, in their order, and of each
// name at least one: that there are many of one kind must not hide another.
func Some(all []Anomaly) []Anomaly {
	if len(all) <= MaxAnomalies {
		return all
	}
	spare, names := MaxAnomalies, make(map[string]bool)
	for i := range all {
		if !names[all[i].Name] {
			names[all[i].Name] = true
			spare--
		}
	}
	var some []Anomaly
	for _, a := range all {
		switch {
		case names[a.Name]:
			names[a.Name] = false
		case spare > 0:
			spare--
		default:
			continue
		}
		some = append(some, a)
	}
	return some[:min(len(some), MaxAnomalies)]
}

// New returns a checker that is called name and judges with check.
func New(name string, check func(context.Context, *history.History) Result) Checker {
	return checkFunc{name, check}
}

type checkFunc struct {
	name  string
	check func(context.Context, *history.History) Result
}

func (c checkFunc) Name() string { return c.name }

func (c checkFunc) Check(ctx context.Context, h *history.History) Result { return c.check(ctx, h) }

// Unknownf returns a result that is unknown for the given reason.
func Unknownf(format string, args ...any) Result {
	return Result{Verdict: Unknown, Reason: fmt.Sprintf(format, args...)}
}

// Detail returns r with details, which must be a value that JSON can hold.
func (r Result) Detail(details any) Result {
	text, err := json.Marshal(details)
	if err != nil {
		panic(fmt.Sprintf("checkers: details of type %T: %v", details, err))
	}
	r.Details = text
	return r
}

// Paired returns the calls of h, or why it cannot be judged: it pairs wrongly,
// its indices do not grow, or it is empty.
func Paired(h *history.History) ([]history.Call, error) {
	if len(h.Ops) == 0 {
		return nil, fmt.Errorf("the history is empty: nothing was recorded")
	}
	for i := 1; i < len(h.Ops); i++ {
		if h.Ops[i].Index <= h.Ops[i-1].Index {
			return nil, fmt.Errorf("index %d follows index %d: the records of a history must be in the order of their indices",
				h.Ops[i].Index, h.Ops[i-1].Index)
		}
	}
	if calls := pair(h); calls != nil {
		return calls, nil
	}
	return h.Calls()
}

// pair does what History.Calls does, without a map, for the process numbers that
// runs have. It returns nil for any other history, and for one that is wrong.
func pair(h *history.History) []history.Call {
	const limit = 1 << 20
	var open []int // by process, the place of its open call plus one
	calls := make([]history.Call, 0, len(h.Ops)/2+1)
	for i := range h.Ops {
		op := &h.Ops[i]
		p := int(op.Process)
		switch {
		case op.Process == history.Nemesis:
			continue
		case p < 0 || p >= limit:
			return nil
		case p >= len(open):
			open = append(open, make([]int, p+1-len(open))...)
		}
		switch at := open[p]; {
		case op.Type == history.Invoke && at == 0:
			calls = append(calls, history.Call{Invoke: op})
			open[p] = len(calls)
		case op.Type != history.Invoke && at > 0 && calls[at-1].Invoke.F == op.F:
			calls[at-1].Complete = op
			open[p] = 0
		default:
			return nil
		}
	}
	return calls
}

// Clock says when things happened, as explanations do. The zero Clock goes by
// time.
type Clock struct{ byIndex bool }

// ClockOf returns the clock of a history: by index if nobody recorded times.
func ClockOf(calls []history.Call) Clock {
	return Clock{byIndex: len(calls) > 0 && calls[len(calls)-1].Invoke.Time == 0 && calls[len(calls)-1].Invoke.Index > 0}
}

// At says when op was recorded, to the microsecond: "12.4 ms".
func (c Clock) At(op *history.Op) string {
	if c.byIndex {
		return "index " + strconv.Itoa(op.Index)
	}
	return Millis(op.Time)
}

// KeyName is how anomalies name a key: nothing if there is none, a text without
// quotes, anything else as it is written.
func KeyName(key history.Value) string {
	switch key.Kind() {
	case history.Absent:
		return ""
	case history.KindString, history.KindKeyword:
		return key.Text()
	default:
		return key.String()
	}
}

// Millis writes nanoseconds as milliseconds, to the microsecond: "12.4 ms".
func Millis(ns int64) string {
	return strconv.FormatFloat(math.Round(float64(ns)/1e3)/1e3, 'f', -1, 64) + " ms"
}

// Quantile returns the q-quantile of sorted values by the nearest rank, and 0
// if there are none.
func Quantile(sorted []int64, q float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
