package nemesis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Partition cuts links between nodes. Which ones is the shape:
//
//	one       a random node is cut off from all others
//	leader    the node that leads is cut off from all others
//	moment    the same for a node that has just come to a rare place in its code,
//	          at times with others, so many that they are no majority: of 3 or 4 nodes, none
//	halves    two halves, the first the smaller one
//	majority  a random majority and the rest
//	bridge    two halves that both reach one node in the middle: a Byzantine one, if there is one;
//	          then one of the halves is at times so large that with it there are more than two thirds
//	ring      every node sees a majority, and no two see the same one
//	one-way   a node hears the others but is not heard, or the other way round
//	mix       a seeded choice for each window
//
// Clients stay on their node's side: they talk to no other node.
func Partition() Fault {
	return Fault{
		Kind:  "partition",
		Doc:   "cuts the network between nodes: every packet on the chosen links is dropped, in one or both directions",
		Needs: world.Partition,
		Params: []Param{
			{"shape", "mix", "one, leader, moment, halves, majority, bridge, ring, one-way, or mix"},
		},
		Check: checkPartition,
		Aim:   aimPartition,
	}
}

// shapes gives the weight of each shape in a mix, after what studies of real
// partition failures found (NEAT, OSDI 2018): isolating one node, the leader
// above all, is what breaks most systems.
var shapes = []struct {
	name   string
	weight int64
	nodes  int // it needs at least as many
}{
	{"leader", 30, 2},
	{"moment", 15, 2},
	{"one", 15, 2},
	{"bridge", 10, 4},
	{"ring", 10, 4},
	{"one-way", 10, 2},
	{"majority", 5, 3},
	{"halves", 5, 2},
}

func checkPartition(p Params, nodes int) error {
	if nodes < 2 {
		return fmt.Errorf("%d node has no links to cut; take at least 2 nodes", nodes)
	}
	if p["shape"] == "mix" {
		return nil
	}
	var known []string
	for _, s := range shapes {
		known = append(known, s.name)
		if s.name == p["shape"] && nodes < s.nodes {
			return fmt.Errorf("shape=%s would cut nothing, or the same as a simpler shape, on %d nodes; take at least %d", s.name, nodes, s.nodes)
		}
	}
	return p.Oneof("shape", append(known, "mix")...)
}

// partition is one window of it.
type partition struct {
	shape  string
	nodes  []int
	sides  [][]int
	cut    []world.Link
	before map[world.Link]uint64
}

func aimPartition(s *Scene) (Window, error) {
	w := &partition{shape: s.Params["shape"]}
	if w.shape == "mix" {
		w.shape = drawShape(s.Draw, s.Nodes())
		if s.Liars != nil && s.Nodes() >= 4 && s.bridged() {
			w.shape = "bridge"
		}
	}
	w.lay(s)
	if s.Record != nil {
		w = restorePartition(*s.Record)
	}
	if len(w.cut) == 0 {
		return nil, fmt.Errorf("shape %s cuts no link of %d nodes", w.shape, s.Nodes())
	}
	before, err := s.Dropped()
	w.before = before
	return w, err
}

// bridged draws whether the Byzantine node of the scene is to be in the middle: nearly
// always if it votes for two chains, which it can make of one only there.
func (s *Scene) bridged() bool {
	if s.doubled() {
		return s.Draw.Chance(5, 6)
	}
	return s.Draw.Chance(1, 3)
}

// restorePartition reads what Plan wrote down.
func restorePartition(record history.Value) *partition {
	w := &partition{shape: record.Get("shape").Text(), nodes: nodeNumbers(record.Get("nodes"))}
	for _, side := range record.Get("sides").Elems() {
		w.sides = append(w.sides, nodeNumbers(side))
	}
	w.cut = linksNamed(record.Get("cut"))
	return w
}

// drawShape chooses among the shapes that so many nodes can have.
func drawShape(draw *choice.Stream, nodes int) string {
	var fit []choice.Weighted
	for _, s := range shapes {
		if nodes >= s.nodes {
			fit = append(fit, choice.Weighted{Name: s.name, Weight: s.weight})
		}
	}
	return choice.Weigh(draw, fit)
}

// lay fills in the nodes, the sides and the links of the window's shape.
func (w *partition) lay(s *Scene) {
	order := s.Draw.Perm(s.Nodes())
	half := len(order) / 2
	switch w.shape {
	case "moment":
		if n := s.moment(); n >= 0 {
			with := 0
			if s.Draw.Chance(1, 3) { // together they may do what the majority knows nothing of
				with = max(0, (len(order)-1)/2-1)
			}
			w.isolate(n, with, order)
			return
		}
		fallthrough
	case "leader":
		if l := s.leaders(); len(l) > 0 {
			w.isolate(l[0], 0, order)
			return
		}
		w.isolate(order[0], 0, order) // nobody leads: cut into the election
	case "one":
		w.isolate(order[0], 0, order)
	case "halves":
		w.split(order[:half], order[half:])
	case "majority":
		w.split(order[half+1:], order[:half+1])
	case "bridge":
		if s.Liars != nil { // who says one thing here and another there needs both sides
			if s.Draw.Chance(1, 2) {
				half = 2 * len(order) / 3
			}
			order = slices.DeleteFunc(order, func(n int) bool { return n == s.Liars[0] })
			order = slices.Insert(order, half, s.Liars[0])
		}
		w.split(order[:half], order[half+1:])
		w.sides = append(w.sides, []int{order[half]})
	case "ring":
		w.ring(order)
	case "one-way":
		w.oneWay(order, s.Draw.Chance(1, 2))
	}
}

// isolate cuts one node, with so many others, off from the rest.
func (w *partition) isolate(node, with int, all []int) {
	others := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return n == node })
	w.split(append([]int{node}, others[:with]...), others[with:])
}

// split cuts all links between two sides. The first is the one aimed at.
func (w *partition) split(a, b []int) {
	w.nodes = sorted(a)
	w.sides = [][]int{sorted(a), sorted(b)}
	for _, x := range w.sides[0] {
		for _, y := range w.sides[1] {
			w.cut = append(w.cut, world.Link{From: x, To: y}, world.Link{From: y, To: x})
		}
	}
}

// ring puts the nodes into a circle in which everyone sees only so many
// neighbours on both sides that they are a majority together.
func (w *partition) ring(order []int) {
	n := len(order)
	w.nodes = sorted(order)
	reach := (n/2 + 1) / 2 // neighbours on each side: with oneself a majority
	for i, x := range order {
		for j, y := range order {
			if far := min((i-j+n)%n, (j-i+n)%n); far > reach {
				w.cut = append(w.cut, world.Link{From: x, To: y})
			}
		}
	}
}

// oneWay cuts one direction between the first node and all others.
func (w *partition) oneWay(order []int, deaf bool) {
	w.nodes = order[:1]
	w.sides = [][]int{order[:1], sorted(order[1:])}
	for _, y := range w.sides[1] {
		l := world.Link{From: order[0], To: y}
		if deaf {
			l = world.Link{From: y, To: order[0]}
		}
		w.cut = append(w.cut, l)
	}
}

func sorted(nodes []int) []int { return slices.Sorted(slices.Values(nodes)) }

func (w *partition) Nodes() []int { return w.nodes }

func (w *partition) Plan() []history.Value {
	sides := make([]history.Value, len(w.sides))
	for i, s := range w.sides {
		sides[i] = names(s)
	}
	return []history.Value{
		str("shape"), str(w.shape),
		str("sides"), history.List(sides...),
		str("cut"), linkNames(w.cut),
	}
}

func linkNames(links []world.Link) history.Value {
	vs := make([]history.Value, len(links))
	for i, l := range links {
		vs[i] = str(linkName(l))
	}
	return history.List(vs...)
}

// linksNamed is the inverse of linkNames; what is not a link is left out.
func linksNamed(v history.Value) []world.Link {
	var links []world.Link
	for _, link := range v.Elems() {
		from, to, _ := strings.Cut(link.Text(), ">")
		a, okA := nodeNumber(from)
		b, okB := nodeNumber(to)
		if okA && okB {
			links = append(links, world.Link{From: a, To: b})
		}
	}
	return links
}

func linkName(l world.Link) string { return nodeName(l.From) + ">" + nodeName(l.To) }

func (w *partition) Inject(ctl world.Control) error { return ctl.Cut(w.cut) }

func (w *partition) Heal(ctl world.Control) error { return ctl.Cut(nil) }

// Witness probes every link: those that were cut must be dead, and all others,
// the control group, alive.
func (w *partition) Witness(ctl world.Control) (Finding, error) {
	f, _, err := probe(ctl, w.cut)
	return f, err
}

// Recheck probes every link: all must be alive. One that was cut and is still
// dead was not healed.
func (w *partition) Recheck(ctl world.Control) (Finding, error) {
	f, broken, err := probe(ctl, nil)
	if slices.ContainsFunc(broken, func(l world.Link) bool { return slices.Contains(w.cut, l) }) {
		f.Witness = history.Ineffective
	}
	return f, err
}

// probe looks at every link, of which those in cut should be dead. It also
// returns the links that are dead and should not be.
func probe(ctl world.Control, cut []world.Link) (f Finding, broken []world.Link, err error) {
	links := allLinks(ctl.Nodes())
	alive, err := ctl.Probe(links)
	if err != nil {
		return Finding{Witness: history.Inconclusive}, nil, err
	}
	var leaks, dead []world.Link
	for i, l := range links {
		isCut := slices.Contains(cut, l)
		switch {
		case isCut && alive[i]:
			leaks = append(leaks, l)
		case !isCut && !alive[i]:
			broken = append(broken, l)
		case isCut:
			dead = append(dead, l)
		}
	}
	f = found(len(leaks) == 0,
		str("probed"), history.Int(int64(len(links))),
		str("dead-as-cut"), linkNames(dead),
		str("alive-though-cut"), linkNames(leaks),
		str("dead-though-open"), linkNames(broken))
	if len(broken) > 0 && len(leaks) == 0 {
		f.Witness = history.Inconclusive // the control group is dead too
	}
	return f, broken, nil
}

func allLinks(nodes int) []world.Link {
	var links []world.Link
	for from := range nodes {
		for to := range nodes {
			if from != to {
				links = append(links, world.Link{From: from, To: to})
			}
		}
	}
	return links
}

// LookBack counts the target's own packets that were dropped on each link.
func (w *partition) LookBack(ctl world.Control) (Finding, error) {
	after, err := ctl.Dropped()
	if err != nil {
		return Finding{Witness: history.Inconclusive}, err
	}
	f := Finding{}
	f.Exercised, f.Evidence = countMet(w.cut, w.before, after, "dropped")
	return f, nil
}

// countMet compares counts of the target's own packets on links, and returns
// whether there were any and, as evidence of the given name, how many.
func countMet(links []world.Link, before, after map[world.Link]uint64, name string) (met bool, evidence []history.Value) {
	var counts []history.Value
	for _, l := range links {
		if n := after[l] - before[l]; n > 0 {
			counts = append(counts, str(linkName(l)), history.Int(int64(n)))
		}
	}
	return len(counts) > 0, []history.Value{str(name), history.Map(counts...)}
}
