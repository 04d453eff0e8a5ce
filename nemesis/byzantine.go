package nemesis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// byzantineDeeds gives the weight of each deed of a Byzantine miner in a mix.
var byzantineDeeds = []choice.Weighted{
	{Name: "withhold", Weight: 15}, {Name: "double-spend", Weight: 15}, {Name: "inflate", Weight: 10}, {Name: "forge", Weight: 10},
	{Name: "twice", Weight: 10}, {Name: "overdraw", Weight: 10}, {Name: "outlive", Weight: 5}, {Name: "garble", Weight: 10},
	{Name: "mangle", Weight: 10}, {Name: "equivocate", Weight: 15}, {Name: "impersonate", Weight: 15},
}

// Byzantine makes a miner do on purpose what no honest one does:
//
//	withhold      mine in private, and show the blocks when they replace those of others
//	double-spend  the same, with another transfer in place of one that others have seen
//	inflate       mine blocks that make too much money
//	forge         mine blocks with a transfer that its account did not sign as it is
//	twice         mine blocks with a transfer, or a nonce, that was used before
//	overdraw      mine blocks with a transfer of more money than there is
//	outlive       mine blocks with a transfer whose time is over
//	garble        mine blocks whose header is wrong: height, time, work, or what it stands for
//	mangle        show some nodes other transfers than the header of a block stands for
//	equivocate    mine two blocks at once, and vote for all chains
//	impersonate   the same, and vote in the names of others
//	mix           a seeded choice for each window
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
			{"deed", "mix", "what it does: " + strings.Join(weightedNames(byzantineDeeds)[:len(byzantineDeeds)], ", ") + ", or mix"},
			{"node", "n1", "which node does it"},
		},
		Check: checkByzantine,
		Aim:   aimByzantine,
	}
}

func checkByzantine(p Params, nodes int) error {
	if err := p.Oneof("deed", weightedNames(byzantineDeeds)...); err != nil {
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
		w.deed = choice.Weigh(s.Draw, byzantineDeeds)
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
