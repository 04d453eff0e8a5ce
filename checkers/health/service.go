package health

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// How many operations through a node have to have come to nothing, over how long,
// before it is said to serve nobody: an election at that moment would not explain it.
const (
	leastAsked = 20
	leastTime  = 5 * time.Second
)

// asked is what became of the operations of the final phase through a node.
type asked struct {
	all, ok     int
	first, last history.Call // to begin
}

// over is for how long nothing came of them.
func (a *asked) over() time.Duration {
	if a.last.Complete == nil {
		return 0
	}
	return time.Duration(a.last.Complete.Time - a.first.Invoke.Time)
}

// unserved finds nodes that had recovered, or long enough time for that, and then
// answer nothing that is asked of them. Nobody knows what they hold, so that nothing
// else could be found wrong with them. Who has died cannot answer, which was said.
func (r *Report) unserved(h *history.History) {
	recovered := h.Recovery()
	if recovered == nil {
		return
	}
	excused := map[string]bool{}
	for _, node := range h.Byzantine() {
		excused[node] = true
	}
	for _, e := range r.Events {
		excused[e.Node] = excused[e.Node] || e.Anomaly == NodeDied
	}
	calls, err := checkers.Paired(h)
	if err != nil {
		return // those who judge what clients saw say so
	}
	nodes, order := map[string]*asked{}, []string{}
	for _, c := range calls {
		node := c.Invoke.Node
		if !c.Invoke.Final || node == "" || excused[node] || c.Invoke.Index < recovered.Index {
			continue
		}
		a := nodes[node]
		if a == nil {
			a = &asked{first: c}
			nodes[node], order = a, append(order, node)
		}
		if a.all, a.last = a.all+1, c; c.Type() == history.OK {
			a.ok++
		}
	}
	for _, node := range order {
		if a := nodes[node]; a.ok == 0 && a.all >= leastAsked && a.over() >= leastTime {
			r.Unserved++
			r.Events = append(r.Events, Event{
				Anomaly: NoService, Node: node, Time: recovered.Time, Index: recovered.Index, Lines: []string{},
				Reason: a.describe(), late: recovered.Error != "", ops: []int{a.first.Invoke.Index, a.last.Invoke.Index},
			})
		}
	}
}

func (a *asked) describe() string {
	s := fmt.Sprintf("none of the %d operations of the final phase through it was ok, for %v", a.all, a.over().Round(time.Millisecond))
	if done := a.first.Complete; done != nil && done.Error != "" {
		s += fmt.Sprintf("; the first of them ended with %q", done.Error)
	}
	return s
}
