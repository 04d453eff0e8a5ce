package polygraph

import "github.com/ordeal-dev/ordeal/checkers"

// Evidence is a [Proof] in the form that harness/verify reads: transactions by the
// indices of their invocations.
type Evidence struct {
	Cycles [][]EvidenceEdge `json:"cycles"`
	Steps  []EvidenceStep   `json:"steps,omitempty"`
}

// EvidenceEdge is an [Edge].
type EvidenceEdge struct {
	From    int     `json:"from"`
	To      int     `json:"to"`
	Kind    string  `json:"kind"`
	Key     string  `json:"key,omitempty"`
	Version *int    `json:"version,omitempty"`
	If      *[2]int `json:"if,omitempty"`
}

// EvidenceStep is a [Step].
type EvidenceStep struct {
	Clause [][2]int `json:"clause"`
	From   []int32  `json:"from"`
}

type (
	// Serial is the evidence for OK at levels without snapshots.
	Serial struct {
		Serial []int `json:"serial"`
	}
	// Snapshot is the evidence for OK at levels with snapshots.
	Snapshot struct {
		Snapshot []int `json:"snapshot"`
	}
)

// Definition is what harness/verify calls what is claimed.
const Definition = "isolated-registers"

// Claim returns the verdict with its evidence. index gives the index of the
// invocation of a transaction, key the way in which a key is written.
func (r Result) Claim(level Level, index func(txn int32) int, key func(key int32) string) (checkers.Claim, error) {
	c := checkers.Claim{Definition: Definition, Parameters: map[string]string{"level": level.String()}, Verdict: r.Verdict}
	switch r.Verdict {
	case checkers.OK:
		order := make([]int, len(r.Order))
		for i, t := range r.Order {
			order[i] = index(t)
		}
		c.Evidence = Serial{order}
		if level.Snapshot() {
			c.Evidence = Snapshot{order}
		}
	case checkers.Invalid:
		c.Evidence = r.Proof.evidence(index, key)
	default:
		return c, checkers.NoClaimf("the verdict is %v", r.Verdict)
	}
	return c, nil
}

func (p *Proof) evidence(index func(int32) int, key func(int32) string) Evidence {
	var ev Evidence
	pair := func(p Pair) [2]int { return [2]int{index(p.First), index(p.Second)} }
	for _, c := range p.Cycles {
		cycle := make([]EvidenceEdge, len(c))
		for i, e := range c {
			cycle[i] = EvidenceEdge{From: index(e.From), To: index(e.To), Kind: e.Kind.String()}
			if e.Kind >= WR {
				cycle[i].Key = key(e.Key)
			}
			if e.Kind == RW && e.Version != Initial {
				v := index(e.Version)
				cycle[i].Version = &v
			}
			if e.Chosen {
				v := pair(e.If)
				cycle[i].If = &v
			}
		}
		ev.Cycles = append(ev.Cycles, cycle)
	}
	for _, s := range p.Steps {
		clause := make([][2]int, len(s.Clause))
		for i, p := range s.Clause {
			clause[i] = pair(p)
		}
		ev.Steps = append(ev.Steps, EvidenceStep{clause, s.From})
	}
	return ev
}
