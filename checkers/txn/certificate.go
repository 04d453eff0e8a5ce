package txn

import (
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// proof is the evidence for an anomaly, in the form that the package verify
// takes: the operations with their steps, or a cycle.
type proof struct {
	Anomaly string      `json:"anomaly"`
	Cycle   []proofEdge `json:"cycle,omitempty"`
	Ops     []int       `json:"ops,omitempty"`
	Steps   []int       `json:"steps,omitempty"`
}

type proofEdge struct {
	Kind  string `json:"kind"`
	From  int    `json:"from"`
	To    int    `json:"to"`
	Steps []int  `json:"steps,omitempty"`
	Via   []int  `json:"via,omitempty"`
}

// ordering is the evidence for ok: one of these.
type ordering struct {
	Serial   []int `json:"serial,omitempty"`
	Snapshot []int `json:"snapshot,omitempty"`
	Order    []int `json:"order,omitempty"`
}

// parameters names the options as claims do.
func (o Options) parameters() map[string]string {
	p := map[string]string{"workload": o.Workload.String()}
	set := func(name string, list []string) {
		if len(list) > 0 {
			p[name] = strings.Join(list, ",")
		}
	}
	set("consistency-models", o.models())
	set("anomalies", o.Anomalies)
	for name, on := range map[string]bool{"linearizable-keys": o.LinearizableKeys, "sequential-keys": o.SequentialKeys, "wfr-keys": o.WFRKeys} {
		if on {
			p[name] = "true"
		}
	}
	return p
}

// models returns the usual names of the models that are asked for.
func (o Options) models() []string {
	if len(o.Models) == 0 && len(o.Anomalies) == 0 {
		return []string{levels.Default}
	}
	var list []string
	for _, name := range o.Models {
		if usual, err := levels.Of(name); err == nil {
			name = usual
		}
		list = append(list, name)
	}
	return list
}

// certify returns the evidence for a verdict on h.
func (r Report) certify(h *history.History, opts Options) (checkers.Claim, error) {
	claim := checkers.Claim{Definition: "transactions", Parameters: opts.parameters(), Verdict: r.Verdict}
	_, bare, err := transactions(h)
	switch {
	case err != nil:
		return claim, err
	case bare:
		return claim, checkers.NoClaimf("the history has completions only, so its operations have no invocations to be named by")
	case opts.TransactionOrder != nil:
		return claim, checkers.NoClaimf("the order of the transactions came from outside of the history")
	case slices.ContainsFunc(opts.Anomalies, unnamed):
		return claim, checkers.NoClaimf("certificates are not about each of the anomalies %s", strings.Join(opts.Anomalies, ", "))
	case r.blind != nil:
		return r.blind.claim(claim)
	case r.Verdict == checkers.Invalid:
		p, ok := r.proof()
		if !ok {
			return claim, checkers.NoClaimf("no anomaly that was kept is forbidden by itself")
		}
		claim.Evidence = p
	default:
		o, err := orderOf(h, opts)
		if err != nil {
			return claim, err
		}
		claim.Evidence = o
	}
	return claim, nil
}

// unnamed reports whether an anomaly is none that a certificate can be about: it
// is not found by itself, nor is it the name of those that are cycles.
func unnamed(name string) bool {
	item := strings.NewReplacer("G-single", "G-single-item", "G-nonadjacent", "G-nonadjacent-item", "G2", "G2-item")
	return severity(name) < 0 && severity(item.Replace(name)) < 0 && name != "G1"
}

// proof returns the evidence for the forbidden anomaly that takes the fewest
// transactions.
func (r Report) proof() (proof, bool) {
	at := -1
	for i, a := range r.Anomalies {
		if r.Forbidden[a.Name] && (at < 0 || len(a.Ops) < len(r.Anomalies[at].Ops)) {
			at = i
		}
	}
	if at < 0 {
		return proof{}, false
	}
	p := r.Anomalies[at].proof
	p.Anomaly = r.Anomalies[at].Name
	return p, true
}

// orderOf finds an order of the transactions that shows that the levels are kept.
// Whatever a stronger level than the one that was asked for has, the weaker one
// has too.
func orderOf(h *history.History, opts Options) (ordering, error) {
	calls, _, err := transactions(h)
	if err != nil {
		return ordering{}, err
	}
	s := newStudy(calls, opts)
	if err := s.parse(); err != nil {
		return ordering{}, err
	}
	s.infer()
	process, realtime := opts.keeps()
	g := s.build(process, realtime)
	whole := len(s.count) == 0 // every transaction by itself is what it should be
	if list := s.serialOrder(g); whole && list != nil {
		return ordering{Serial: list}, nil
	}
	if list := s.snapshotOrder(g); whole && opts.upTo("strong-snapshot-isolation") && list != nil {
		return ordering{Snapshot: list}, nil
	}
	if opts.upTo("strong-read-committed") || opts.upTo("cursor-stability") {
		if list := s.dependencyOrder(g, opts.upTo("strong-read-uncommitted")); list != nil {
			return ordering{Order: list}, nil
		}
	}
	if opts.Workload == RWRegister {
		return ordering{}, checkers.NoClaimf("nothing shows in which order all versions of the registers came, and no order of the transactions was met that explains all reads")
	}
	return ordering{}, checkers.NoClaimf("no evidence of a reasonable size is known for %s, unless the history keeps a level that has some",
		strings.Join(append(opts.models(), opts.Anomalies...), ", "))
}

// upTo reports whether all that is asked for are models that the given one
// implies.
func (o Options) upTo(model string) bool {
	return len(o.Anomalies) == 0 && !slices.ContainsFunc(o.models(), func(m string) bool { return !levels.Implies(model, m) })
}

// keeps says which orders the models, or anomalies, are about.
func (o Options) keeps() (process, realtime bool) {
	for _, m := range o.models() {
		p, r := levels.Orders(m)
		process, realtime = process || p, realtime || r
	}
	for _, a := range o.Anomalies {
		process, realtime = process || strings.HasSuffix(a, "-process"), realtime || strings.HasSuffix(a, "-realtime")
	}
	return process && !realtime, realtime
}
