package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// byzantineDeeds are the deeds of a Byzantine miner.
var byzantineDeeds = []string{
	"withhold", "double-spend", "outweigh", "inflate", "forge", "twice", "overdraw", "outlive", "garble", "spoil", "mangle", "equivocate", "impersonate",
}

// doublings are the deeds of a validator that says one thing here and another there.
var doublings = []string{"equivocate", "impersonate"}

// byzantineMix gives the weight of each deed in a mix, of several kinds that are
// dealt by turns. Two of the kinds double votes: it takes a partition at the same
// time for them to matter, while a block that is not valid matters at once.
var byzantineMix = map[string][]choice.Weighted{
	"equivocate":  {{Name: "equivocate", Weight: 1}},
	"impersonate": {{Name: "impersonate", Weight: 1}},
	"private":     {{Name: "withhold", Weight: 2}, {Name: "double-spend", Weight: 2}, {Name: "outweigh", Weight: 3}},
	"invalid":     {{Name: "spoil", Weight: 2}, {Name: "mangle", Weight: 1}},
}

// Byzantine makes a miner do on purpose what no honest one does:
//
//	withhold      mine in private, and show the blocks when they replace those of others
//	double-spend  the same, with another transfer in place of one that others have seen
//	outweigh      mine a heavier chain that leaves out what is final or justified
//	inflate       mine blocks that make too much money
//	forge         mine blocks with a transfer that its account did not sign as it is
//	twice         mine blocks with a transfer, or a nonce, that was used before
//	overdraw      mine blocks with a transfer of more money than there is
//	outlive       mine blocks with a transfer whose time is over
//	garble        mine blocks whose header is wrong: height, time, work, or what it stands for
//	spoil         mine blocks each of which is wrong in one of these ways
//	mangle        show some nodes other transfers than the header of a block stands for
//	equivocate    mine for two chains at once, vote for all, and tell nobody of the other one
//	impersonate   the same, and vote in the names of others
//	mix           a seeded choice for each window, of all kinds by turns
//
// It is one and the same node in all windows of a run. What a ledger promises is
// bounded by how many nodes are Byzantine, and checkers believe none that ever
// was: with another node in each window there would soon be nobody left.
func Byzantine() Fault {
	return Fault{
		Kind:  "byzantine",
		Doc:   "makes a miner cheat: it withholds blocks, spends twice by a private chain, mines invalid blocks, or votes for two chains; what it says is no evidence",
		Needs: world.Byzantine,
		Params: []Param{
			{"deed", "mix", "what it does: " + strings.Join(byzantineDeeds, ", ") + ", or mix"},
			{"node", "n1", "which node does it"},
		},
		Check: checkByzantine,
		Aim:   aimByzantine,
	}
}

func checkByzantine(p Params, nodes int) error {
	if err := p.Oneof("deed", slices.Concat(byzantineDeeds, []string{"mix"})...); err != nil {
		return err
	}
	if n, ok := nodeNumber(p["node"]); !ok || n < 0 || n >= nodes {
		return fmt.Errorf("node=%s: the nodes of this cluster are n1 to n%d", p["node"], nodes)
	}
	if nodes < 4 {
		return fmt.Errorf("%d nodes can bear no Byzantine one, which takes more than three times as many: take at least 4 nodes", nodes)
	}
	return nil
}

// byzantine is one window in which a node cheats.
type byzantine struct {
	node int
	deed string
}

func aimByzantine(s *Scene) (Window, error) {
	node, _ := nodeNumber(s.Params["node"])
	w := &byzantine{node: node, deed: s.Params["deed"]}
	if w.deed == "mix" {
		w.deed = choice.Weigh(s.Draw, byzantineMix[s.deal(slices.Sorted(maps.Keys(byzantineMix)))])
	}
	if s.Record != nil {
		w.deed = s.Record.Get("deed").Text()
	}
	if s.Taken[node] {
		return nil, fmt.Errorf("%s is dead or stopped already; let the faults that act on processes overlap less (--fault KIND.every=…)", nodeName(node))
	}
	if _, err := s.Command(node, ""); err != nil {
		return nil, err
	}
	return w, nil
}

// doubled tells whether the Byzantine node doubles its votes just now.
func (s *Scene) doubled() bool {
	if len(s.Liars) == 0 {
		return false
	}
	c, err := s.Command(s.Liars[0], "")
	return err == nil && slices.Contains(doublings, c.Doing)
}

func (w *byzantine) Nodes() []int          { return []int{w.node} }
func (w *byzantine) Plan() []history.Value { return []history.Value{str("deed"), str(w.deed)} }

func (w *byzantine) Inject(ctl world.Control) error {
	_, err := ctl.Command(w.node, w.deed)
	return err
}

// Heal tells the node to be honest again.
func (w *byzantine) Heal(ctl world.Control) error {
	_, err := ctl.Command(w.node, actor.Honest)
	return err
}

// Witness asks the node what it does.
func (w *byzantine) Witness(ctl world.Control) (Finding, error) { return w.does(ctl, w.deed) }

// Recheck asks again.
func (w *byzantine) Recheck(ctl world.Control) (Finding, error) { return w.does(ctl, actor.Honest) }

func (w *byzantine) does(ctl world.Control, want string) (Finding, error) {
	c, err := ctl.Command(w.node, "")
	if err != nil {
		return Finding{Witness: history.Inconclusive}, err
	}
	return found(c.Doing == want, str("doing"), str(c.Doing)), nil
}

// LookBack asks how often the node has cheated: a miner that came upon no block
// has not.
func (w *byzantine) LookBack(ctl world.Control) (Finding, error) {
	c, err := ctl.Command(w.node, "")
	if err != nil {
		return Finding{Witness: history.Inconclusive}, err
	}
	f := found(c.Doing == w.deed, str("doing"), str(c.Doing), str("done"), str(strconv.Itoa(c.Done)))
	f.Exercised = c.Done > 0
	return f, nil
}
