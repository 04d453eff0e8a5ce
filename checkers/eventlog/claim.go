package eventlog

import (
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// claim returns the evidence for a result: for a violation its first anomaly; for
// none, an order of the operations that no edge contradicts, if one is needed.
func (j *judge) claim(opts Options, r checkers.Result) (checkers.Claim, error) {
	c := checkers.Claim{Definition: Name, Verdict: r.Verdict, Parameters: map[string]string{
		"ww-deps": strconv.FormatBool(opts.WWDeps), "rw-deps": strconv.FormatBool(opts.RWDeps),
		"compaction": strconv.FormatBool(opts.Compaction), "retention": strconv.Itoa(opts.Retention), "sub-via": opts.SubVia, "allow": strings.Join(opts.Allow, ","),
	}}
	if r.Verdict == checkers.Invalid {
		a := r.Anomalies[0]
		c.Evidence = map[string]any{"anomaly": a.Name, "key": a.Key, "ops": a.Ops, "edges": a.Edges}
		return c, nil
	}
	order, err := j.order(opts)
	c.Evidence = map[string]any{"order": order}
	return c, err
}

// order sorts the operations so that every edge that must not be on a cycle leads
// forward.
func (j *judge) order(opts Options) ([]int, error) {
	allowed := func(names ...string) bool {
		all := true
		for _, n := range names {
			all = all && opts.allows(n, false)
		}
		return all
	}
	order := []int{}
	wr, rw := !allowed(G1c, G1cRealtime), opts.RWDeps && !allowed(GSingle, G2, GSingleRealtime, G2Realtime)
	if !wr && !rw {
		return order, nil
	}
	events := j.events()
	g := digraph.New(len(j.txns) + len(events))
	for _, e := range j.polledBy() {
		g.Add(int(e[0]), int(e[1]))
	}
	if rw {
		for _, e := range j.polledUpTo() {
			g.Add(int(e[0]), int(e[1]))
		}
	}
	if !allowed(G1cRealtime) || rw && !allowed(GSingleRealtime, G2Realtime) {
		for at, e := range events {
			now := len(j.txns) + at
			if at > 0 {
				g.Add(now-1, now)
			}
			switch {
			case !e.End:
				g.Add(now, e.Call)
			case j.txns[e.Call].Type() == history.OK:
				g.Add(e.Call, now)
			}
		}
	}
	for _, v := range sorted(g) {
		if v < len(j.txns) {
			order = append(order, j.txns[v].Invoke.Index)
		}
	}
	if len(order) < len(j.txns) {
		return nil, checkers.NoClaimf("some kinds of cycles are allowed, and there are such; no order shows that the others are not there")
	}
	return order, nil
}

// sorted returns the nodes of a graph so that edges lead forward, as far as there
// are no cycles.
func sorted(g *digraph.Graph) []int {
	in := make([]int32, g.Len())
	for v := range g.Len() {
		for _, w := range g.Next(v) {
			in[w]++
		}
	}
	var ready []int
	for v, n := range in {
		if n == 0 {
			ready = append(ready, v)
		}
	}
	for i := 0; i < len(ready); i++ {
		for _, w := range g.Next(ready[i]) {
			if in[w]--; in[w] == 0 {
				ready = append(ready, int(w))
			}
		}
	}
	return ready
}
