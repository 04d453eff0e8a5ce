package staleness

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// StrongName is what the checker of strong eventual consistency is called.
const StrongName = "strong-eventual-consistency"

// Diverged is the anomaly of strong eventual consistency.
const Diverged = "diverged"

// StrongReport counts what a checker of strong eventual consistency saw.
type StrongReport struct {
	Reads    int `json:"read-count"`
	Clocks   int `json:"clock-count"`    // different sets of updates
	Shared   int `json:"shared-count"`   // of these, read more than once: only they can show something
	Diverged int `json:"diverged-count"` // reads that differ from the first of the same updates
}

// NewStrong returns a checker of strong eventual consistency (Shapiro et al. 2011):
// replicas that have taken in the same updates are in the same state, at any time and
// without waiting. Reads return {"clock": {replica: n, …}, "state": …}: how many
// updates of each replica had been taken in, and what came of them. A history without
// such a read is unknown.
//
//	diverged  two reads with equal clocks and different states
func NewStrong() checkers.Checker {
	return checkers.New(StrongName, func(_ context.Context, h *history.History) checkers.Result {
		calls, err := checkers.Paired(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		s := strong{clock: checkers.ClockOf(calls)}
		for _, c := range calls {
			s.read(c)
		}
		return s.result()
	})
}

type strong struct {
	StrongReport
	clock     checkers.Clock
	ids       intern.Table // of keys and clocks
	first     []history.Call
	shared    []bool
	anomalies []checkers.Anomaly
}

func (s *strong) read(c history.Call) {
	if c.Invoke.F != "read" || c.Type() != history.OK || c.Complete.Value.Get("clock").IsNil() {
		return
	}
	s.Reads++
	v := c.Complete.Value
	id := s.ids.ID(history.List(c.Invoke.Key, v.Get("clock")))
	if int(id) == len(s.first) {
		s.first, s.shared = append(s.first, c), append(s.shared, false)
		s.Clocks++
		return
	}
	f := s.first[id]
	if !s.shared[id] {
		s.shared[id] = true
		s.Shared++
	}
	if f.Complete.Value.Get("state").Equal(v.Get("state")) {
		return
	}
	if s.Diverged++; s.Diverged > checkers.MaxAnomalies {
		return
	}
	s.anomalies = append(s.anomalies, checkers.Anomaly{Name: Diverged, Key: checkers.KeyName(c.Invoke.Key), Ops: []int{f.Invoke.Index, c.Invoke.Index},
		Explanation: fmt.Sprintf("process %v read %v at %s, and process %v read %v at %s, from replicas that had both taken in exactly %v",
			f.Invoke.Process, f.Complete.Value.Get("state"), s.clock.At(f.Invoke), c.Invoke.Process, v.Get("state"), s.clock.At(c.Invoke), v.Get("clock"))})
}

func (s *strong) result() checkers.Result {
	claim := checkers.Claim{Definition: StrongName}
	r := checkers.Result{Anomalies: s.anomalies}
	switch {
	case len(s.anomalies) > 0:
		r.Verdict, claim.Verdict = checkers.Invalid, checkers.Invalid
		claim.Evidence = map[string]any{"anomaly": Diverged, "key": s.anomalies[0].Key, "ops": s.anomalies[0].Ops}
	case s.Reads == 0:
		return checkers.Unknownf("no read was ok and returned a clock with a state").Detail(s.StrongReport)
	}
	r.Certify = func() (checkers.Claim, error) { return claim, nil }
	return r.Detail(s.StrongReport)
}
