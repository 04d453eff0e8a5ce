// Package worth asks of a run: was it worth anything?
//
// A server that refuses every request breaks no promise, and neither does one
// that was never put under a fault. So an ok has to be earned: a run that misses
// one of a few floors is unknown, with the floor, what was seen and what was
// wanted.
//
//   - Enough of the operations that were offered ended with a definite answer.
//   - The nodes had recovered before the final phase, and enough of its operations
//     were ok, as what they read is what shows that nothing is lost.
//   - Enough operations of every kind were ok.
//   - Enough operations were ok inside the windows of every kind of fault that was
//     asked for, counting only windows in which a witness saw the fault.
package worth

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "worth"

// Floors are what a run has to reach.
type Floors struct {
	Completed    float64 `json:"completed"`       // share of invocations that ended ok or fail, and of those of the final phase that were ok, 0 to 1
	OKOfEachKind int     `json:"ok-of-each-kind"` // operations that were ok, for every kind
	OKInWindow   int     `json:"ok-in-window"`    // operations that were ok, begun and ended inside confirmed windows, for every kind of fault
}

// Default returns the floors of a run that says nothing else.
func Default() Floors { return Floors{Completed: 0.5, OKOfEachKind: 20, OKInWindow: 5} }

// Floor is one floor with what was seen.
type Floor struct {
	Name string  `json:"name"` // "completed", "recovered", "ok at the end", "ok read", "partition windows", "ok in partition"
	Want float64 `json:"want"`
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
	Text string  `json:"text"` // seen and wanted in words, and, if it was missed, what to do
}

// Report lists every floor.
type Report struct {
	Floors []Floor `json:"floors"`
}

// New returns a checker of the floors: kinds are the operations ("read",
// "write") and faults the kinds of faults ("partition") that were asked for.
func New(floors Floors, kinds, faults []string) checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		report, err := Check(h, floors, kinds, faults)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result()
	})
}

// Check measures h against floors.
func Check(h *history.History, floors Floors, kinds, faults []string) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	var r Report
	r.completed(calls, floors.Completed)
	r.recovered(h)
	r.final(calls, floors.Completed)
	for _, kind := range kinds {
		r.kind(calls, kind, floors.OKOfEachKind)
	}
	windows := h.Windows()
	for _, fault := range faults {
		r.fault(calls, windows, fault, floors.OKInWindow)
	}
	return r, nil
}

func (r *Report) add(name string, want, got float64, seen, advice string) {
	f := Floor{Name: name, Want: want, Got: got, Met: got >= want, Text: seen}
	if !f.Met {
		f.Text += ": " + advice
	}
	r.Floors = append(r.Floors, f)
}

func (r *Report) completed(calls []history.Call, want float64) {
	done := 0
	for _, c := range calls {
		if c.Type() != history.Info {
			done++
		}
	}
	share := 0.0
	if len(calls) > 0 {
		share = float64(done) / float64(len(calls))
	}
	r.add("completed", want, share,
		fmt.Sprintf("%d of %d offered operations (%.0f %%) ended with a definite answer, at least %.0f %% wanted", done, len(calls), share*100, want*100),
		"see whether the nodes answered at all, lower --rate, or raise --op-timeout")
}

// recovered asks whether the nodes were seen to have recovered, if they were asked.
func (r *Report) recovered(h *history.History) {
	switch op := h.Recovery(); {
	case op == nil:
	case op.Error == "":
		r.add("recovered", 1, 1, "all nodes had recovered", "")
	default:
		r.add("recovered", 1, 0, op.Error, "see the logs of the nodes; faults were over by then")
	}
}

func (r *Report) final(calls []history.Call, want float64) {
	ok, all := 0, 0
	for _, c := range calls {
		if !c.Invoke.Final {
			continue
		}
		if all++; c.Type() == history.OK {
			ok++
		}
	}
	if all == 0 {
		return // there is no final phase, or the history is cut short
	}
	share := float64(ok) / float64(all)
	r.add("ok at the end", want, share,
		fmt.Sprintf("%d of %d operations of the final phase (%.0f %%) were ok, at least %.0f %% wanted", ok, all, share*100, want*100),
		"see whether the nodes answered at all after they had recovered, or raise --op-timeout")
}

func (r *Report) kind(calls []history.Call, kind string, want int) {
	ok, all := 0, 0
	for _, c := range calls {
		if c.Invoke.F != kind {
			continue
		}
		all++
		if c.Type() == history.OK {
			ok++
		}
	}
	r.add("ok "+kind, float64(want), float64(ok),
		fmt.Sprintf("%d of %d %s operations were ok, at least %d wanted", ok, all, kind, want),
		"see the errors in the statistics, or raise --time or --rate")
}

func (r *Report) fault(calls []history.Call, windows []history.Window, fault string, want int) {
	var confirmed []history.Window
	all := 0
	for _, w := range windows {
		if w.Kind != fault {
			continue
		}
		all++
		if w.Witness == history.Confirmed {
			confirmed = append(confirmed, w)
		}
	}
	r.add(fault+" windows", 1, float64(len(confirmed)),
		fmt.Sprintf("%s: %d of %d windows confirmed, at least 1 wanted", fault, len(confirmed), all),
		"see the evidence in the fault journal, or raise --time")
	if len(confirmed) == 0 {
		return
	}
	ok := okInside(calls, confirmed)
	r.add("ok in "+fault, float64(want), float64(ok),
		fmt.Sprintf("%d operations were ok inside %d confirmed windows of %s, at least %d wanted", ok, len(confirmed), fault, want),
		"make the windows longer with --fault "+fault+".for, or raise --rate")
}

// okInside counts the ok calls that began and ended inside one of the windows.
func okInside(calls []history.Call, windows []history.Window) int {
	ok := 0
	for _, c := range calls {
		if c.Type() != history.OK {
			continue
		}
		for _, w := range windows {
			if w.Start <= c.Invoke.Time && c.Complete.Time <= w.End {
				ok++
				break
			}
		}
	}
	return ok
}

func (r Report) result() checkers.Result {
	var missed []string
	for _, f := range r.Floors {
		if !f.Met {
			missed = append(missed, f.Text)
		}
	}
	var result checkers.Result
	if len(missed) > 0 {
		result = checkers.Unknownf("%s", strings.Join(missed, "; "))
	}
	return result.Detail(r)
}
