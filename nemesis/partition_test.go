package nemesis

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// laid returns a window of a shape on so many nodes.
func laid(t interface{ Fatalf(string, ...any) }, shape string, nodes int, seed uint64, leader int) *partition {
	f := newFake(nodes)
	f.leader = leader
	if seed%2 == 0 {
		f.facts, f.noting = []string{"rare"}, nodes-1
	}
	w, err := aimPartition(&Scene{
		Control: f, Params: Params{"shape": shape}, Draw: choice.New(seed).Stream("test"), Taken: make([]bool, nodes),
	})
	if err != nil {
		t.Fatalf("%s of %d nodes: %v", shape, nodes, err)
	}
	return w.(*partition)
}

// sees returns whom each node sees: those, itself among them, that it can talk
// with in both directions.
func sees(w *partition, nodes int) [][]int {
	seen := make([][]int, nodes)
	for a := range nodes {
		for b := range nodes {
			if !slices.Contains(w.cut, world.Link{From: a, To: b}) && !slices.Contains(w.cut, world.Link{From: b, To: a}) {
				seen[a] = append(seen[a], b)
			}
		}
	}
	return seen
}

// Every shape, on every number of nodes that it is for, is what it is called.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for nodes := s.nodes; nodes <= 9; nodes++ {
				for seed := range uint64(30) {
					leader := int(seed)%(nodes+1) - 1
					w := laid(t, s.name, nodes, seed, leader)
					why := sound(w, nodes)
					if why == "" {
						why = properties[s.name](w, nodes, aimed(s.name, nodes, seed, leader))
					}
					if why != "" {
						t.Fatalf("%d nodes, seed %d, leader %d: %s: cut %v", nodes, seed, leader, why, linkNames(w.cut))
					}
				}
			}
		})
	}
}

// aimed returns the node that a shape goes for, see laid.
func aimed(shape string, nodes int, seed uint64, leader int) int {
	if shape == "moment" && seed%2 == 0 {
		return nodes - 1
	}
	return leader
}

// sound says what is wrong with a window, whatever its shape.
func sound(w *partition, nodes int) string {
	twoWays := true
	for i, l := range w.cut {
		if l.From == l.To || min(l.From, l.To) < 0 || max(l.From, l.To) >= nodes {
			return "a link that is not there: " + linkName(l)
		}
		if slices.Contains(w.cut[:i], l) {
			return "cut twice: " + linkName(l)
		}
		twoWays = twoWays && slices.Contains(w.cut, world.Link{From: l.To, To: l.From})
	}
	var placed []int
	for _, side := range w.sides {
		placed = append(placed, side...)
	}
	switch {
	case len(w.cut) == 0:
		return "nothing is cut"
	case len(w.nodes) == 0 || !slices.IsSorted(w.nodes):
		return fmt.Sprintf("aimed at %v", w.nodes)
	case twoWays == (w.shape == "one-way"):
		return "the directions are wrong"
	case w.sides != nil && !slices.Equal(sorted(placed), all(nodes)):
		return fmt.Sprintf("the sides %v are not all nodes", w.sides)
	}
	return ""
}

func all(nodes int) []int {
	var out []int
	for n := range nodes {
		out = append(out, n)
	}
	return out
}

// properties says what is wrong with a window of each shape.
var properties = map[string]func(w *partition, nodes, leader int) string{
	"one":    func(w *partition, nodes, _ int) string { return alone(w, nodes, w.nodes[0]) },
	"leader": aloneLeader,
	"moment": minority,
	"halves": func(w *partition, nodes, _ int) string {
		return apart(w, nodes, nodes/2, nodes-nodes/2)
	},
	"majority": func(w *partition, nodes, _ int) string {
		return apart(w, nodes, nodes-nodes/2-1, nodes/2+1)
	},
	"bridge":  bridge,
	"ring":    ring,
	"one-way": oneWay,
}

// aloneLeader expects that the leader is alone.
func aloneLeader(w *partition, nodes, leader int) string {
	if leader < 0 {
		leader = w.nodes[0] // somebody, when nobody leads
	}
	return alone(w, nodes, leader)
}

// minority expects that the leader is alone, or with others a minority.
func minority(w *partition, nodes, leader int) string {
	if len(w.nodes) < 2 {
		return aloneLeader(w, nodes, leader)
	}
	if !slices.Contains(w.nodes, leader) {
		return fmt.Sprintf("aimed at %v, want %d among them", w.nodes, leader)
	}
	return apart(w, nodes, (nodes-1)/2, nodes-(nodes-1)/2)
}

// alone expects that a node sees nobody and that all others see each other.
func alone(w *partition, nodes, node int) string {
	if !slices.Equal(w.nodes, []int{node}) {
		return fmt.Sprintf("aimed at %v, want %d", w.nodes, node)
	}
	return apart(w, nodes, 1, nodes-1)
}

// apart expects two sides of these sizes that see themselves and not each other.
func apart(w *partition, nodes, first, second int) string {
	if len(w.sides) != 2 || len(w.sides[0]) != first || len(w.sides[1]) != second {
		return fmt.Sprintf("sides %v, want %d and %d nodes", w.sides, first, second)
	}
	for node, seen := range sees(w, nodes) {
		side := w.sides[0]
		if slices.Contains(w.sides[1], node) {
			side = w.sides[1]
		}
		if !slices.Equal(seen, side) {
			return fmt.Sprintf("node %d sees %v, want its side %v", node, seen, side)
		}
	}
	return ""
}

// bridge expects two sides and a node in the middle that sees everybody.
func bridge(w *partition, nodes, _ int) string {
	if len(w.sides) != 3 || len(w.sides[2]) != 1 || len(w.sides[0]) == 0 || len(w.sides[1]) == 0 {
		return fmt.Sprintf("sides %v", w.sides)
	}
	middle := w.sides[2][0]
	for node, seen := range sees(w, nodes) {
		want := all(nodes)
		for _, side := range w.sides[:2] {
			if slices.Contains(side, node) {
				want = sorted(append(slices.Clone(side), middle))
			}
		}
		if !slices.Equal(seen, want) {
			return fmt.Sprintf("node %d sees %v, want %v", node, seen, want)
		}
	}
	return ""
}

// ring expects that everyone sees a majority and no two see the same.
func ring(w *partition, nodes, _ int) string {
	seen := sees(w, nodes)
	for a := range seen {
		if len(seen[a]) < nodes/2+1 || len(seen[a]) == nodes {
			return fmt.Sprintf("node %d sees %v", a, seen[a])
		}
		for b := range a {
			if slices.Equal(seen[a], seen[b]) {
				return fmt.Sprintf("nodes %d and %d see the same: %v", a, b, seen[a])
			}
		}
	}
	return ""
}

// oneWay expects that one node is deaf to all others, or mute.
func oneWay(w *partition, nodes, _ int) string {
	out, in := 0, 0
	for _, l := range w.cut {
		if l.From == w.nodes[0] {
			out++
		}
		if l.To == w.nodes[0] {
			in++
		}
	}
	if !(out == nodes-1 && in == 0 || in == nodes-1 && out == 0) || len(w.cut) != nodes-1 {
		return "not one direction of one node"
	}
	return ""
}

// One way is either way, and a mix has every shape that fits the cluster.
func TestMixHasAllShapes(t *testing.T) {
	t.Parallel()
	for nodes := 2; nodes <= 7; nodes++ {
		seen, deaf, mute := map[string]int{}, 0, 0
		for seed := range uint64(400) {
			w := laid(t, "mix", nodes, seed, 0)
			seen[w.shape]++
			if w.shape == "one-way" && w.cut[0].From == w.nodes[0] {
				mute++
			} else if w.shape == "one-way" {
				deaf++
			}
		}
		for _, s := range shapes {
			if fits := nodes >= s.nodes; fits != (seen[s.name] > 0) {
				t.Errorf("%d nodes: %d windows of shape %s", nodes, seen[s.name], s.name)
			}
		}
		if deaf == 0 || mute == 0 || seen["leader"] < seen["halves"] {
			t.Errorf("%d nodes: deaf %d, mute %d, %v", nodes, deaf, mute, seen)
		}
	}
}

// What is refused when it is planned is what would cut nothing, and what is
// accepted always finds a target.
func TestPartitionCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape string
		nodes int
		want  string // of the refusal
	}{
		{"mix", 1, "1 node has no links to cut; take at least 2 nodes"},
		{"one", 1, "take at least 2 nodes"},
		{"ring", 3, "take at least 4"},
		{"bridge", 3, "take at least 4"},
		{"majority", 2, "take at least 3"},
		{"one", 2, ""},
		{"majority", 3, ""},
		{"mix", 2, ""},
		{"circle", 5, `shape="circle" is not known: want one of leader, moment, one, bridge, ring, one-way, majority, halves, mix`},
		{"", 5, "is not known"},
	} {
		_, err := NewUse(Partition(), map[string]string{"shape": c.shape}, c.nodes)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("shape %s on %d nodes: %v, want %q", c.shape, c.nodes, err, c.want)
		}
	}
}

// A partition that leaves out the leader of an old term goes for the new one.
func TestLeaderOfTheHighestTerm(t *testing.T) {
	t.Parallel()
	f := &twoLeaders{fake: newFake(5)}
	w, err := aimPartition(&Scene{
		Control: f, Params: Params{"shape": "leader"}, Draw: choice.New(1).Stream("test"), Taken: make([]bool, 5),
	})
	if err != nil || !slices.Equal(w.Nodes(), []int{3}) {
		t.Errorf("aimed at %v, %v", w.Nodes(), err)
	}
}

// What Plan writes down is what restores the window.
func TestPartitionIsRestored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		nodes := rapid.IntRange(2, 12).Draw(rt, "nodes")
		w := laid(rt, "mix", nodes, rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(-1, nodes-1).Draw(rt, "leader"))
		op := step(Step{ID: 1, Kind: "partition"}.Op(), "aim", nil, &live{Window: w}, Finding{})
		back := restorePartition(op.Value)
		if back.shape != w.shape || !slices.Equal(back.nodes, w.nodes) || !slices.Equal(back.cut, w.cut) ||
			!slices.EqualFunc(back.sides, w.sides, slices.Equal[[]int]) {
			rt.Errorf("%+v comes back as %+v", w, back)
		}
	})
}

// Who votes for two chains is mostly in the middle of a partition, with one half on
// each side, or on one side so many that they are more than two thirds with it. Who
// is Byzantine in another way is there less often, and nobody is if all are honest.
func TestLiarsAreInTheMiddle(t *testing.T) {
	t.Parallel()
	const windows, liar = 300, 1
	for nodes := 4; nodes <= 7; nodes++ {
		for _, c := range []struct {
			deed        string
			least, most int
		}{{"equivocate", 60, 100}, {"impersonate", 60, 100}, {"forge", 20, 60}, {"", 0, 20}} {
			bridges, large := 0, 0
			for seed := range uint64(windows) {
				f := newFake(nodes)
				s := &Scene{Control: f, Params: Params{"shape": "mix"}, Draw: choice.New(seed).Stream("test"), Taken: make([]bool, nodes)}
				if c.deed != "" {
					s.Liars, f.conduct[liar].Doing = []int{liar}, c.deed
				}
				w, err := aimPartition(s)
				if err != nil {
					t.Fatal(err)
				}
				p := w.(*partition)
				if p.shape != "bridge" || c.deed != "" && !slices.Equal(p.sides[2], []int{liar}) {
					continue
				}
				if bridges++; 3*(len(p.sides[0])+1) > 2*nodes {
					large++
				}
				if why := sound(p, nodes) + bridge(p, nodes, 0); why != "" {
					t.Fatalf("%d nodes, %s: %s", nodes, c.deed, why)
				}
			}
			if share := 100 * bridges / windows; share < c.least || share > c.most {
				t.Errorf("%d nodes, %q: in the middle of %d%% of all windows, want %d%% to %d%%", nodes, c.deed, share, c.least, c.most)
			}
			if half := large > bridges/4 && large < bridges*3/4; c.deed != "" && nodes != 4 && !half {
				t.Errorf("%d nodes, %q: %d of %d bridges have a side with more than two thirds", nodes, c.deed, large, bridges)
			}
		}
	}
}
