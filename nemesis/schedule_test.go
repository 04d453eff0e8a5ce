package nemesis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"pgregory.net/rapid"
)

// TestSchedules runs the files in testdata/schedule: "plan" lays out the
// windows of the faults in its input, one a line with its parameters.
func TestSchedules(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/schedule", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			nodes, length := 5, "60s"
			d.MaybeScanArgs(t, "nodes", &nodes)
			d.MaybeScanArgs(t, "time", &length)
			total, err := time.ParseDuration(length)
			if err != nil {
				return err.Error()
			}
			return planned(d.Input, nodes, total)
		})
	})
}

// planned lays out a schedule and draws it, a window a line.
func planned(input string, nodes int, total time.Duration) string {
	var uses []Use
	for line := range strings.Lines(input) {
		use, err := parseUse(strings.Fields(line), nodes)
		if err != nil {
			return err.Error() + "\n"
		}
		uses = append(uses, use)
	}
	steps, err := Schedule(uses, total, choice.New(1))
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, s := range steps {
		end := ""
		if s.Heal {
			end = " ends"
		}
		fmt.Fprintf(&b, "%10v  %d %s%s\n", s.At, s.ID, s.Kind, end)
	}
	if len(steps) == 0 {
		return "nothing\n"
	}
	return b.String()
}

func parseUse(words []string, nodes int) (Use, error) {
	params := map[string]string{"vary": "0s"}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		params[name] = value
	}
	for _, f := range builtin {
		if f.Kind == words[0] {
			return NewUse(f, params, nodes)
		}
	}
	return Use{}, fmt.Errorf("no fault %s", words[0])
}

// Whatever the timing, a schedule that is accepted has windows that end before
// the next of their kind begins, at least one of each kind, none of them cut to
// less than half, and no step after the end.
func TestScheduleProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		total := time.Duration(rapid.Int64Range(1, int64(2*time.Minute)).Draw(rt, "total"))
		timing := rapid.Map(rapid.Int64Range(0, int64(3*time.Minute)), func(d int64) string { return time.Duration(d).String() })
		var uses []Use
		for _, f := range builtin[:rapid.IntRange(1, 5).Draw(rt, "faults")] {
			params := map[string]string{}
			for _, name := range []string{"every", "for", "after", "vary"} {
				if rapid.Bool().Draw(rt, "given") {
					params[name] = timing.Draw(rt, name)
				}
			}
			use, err := NewUse(f, params, 5)
			if err != nil {
				rt.Fatal(err)
			}
			uses = append(uses, use)
		}
		steps, err := Schedule(uses, total, choice.New(rapid.Uint64().Draw(rt, "seed")))
		if err != nil {
			return
		}
		checkSchedule(rt, uses, steps, total)
	})
}

func checkSchedule(rt *rapid.T, uses []Use, steps []Step, total time.Duration) {
	open, windows, last := map[string]Step{}, map[string]int{}, time.Duration(0)
	ids := map[int64]bool{}
	for _, s := range steps {
		if s.At < last || s.At > total {
			rt.Fatalf("%+v comes after %v, in a run of %v", s, last, total)
		}
		last = s.At
		began, isOpen := open[s.Kind]
		if isOpen != s.Heal || s.Heal && began.ID != s.ID || !s.Heal && ids[s.ID] {
			rt.Fatalf("%+v, while %+v is open: %v", s, began, isOpen)
		}
		if delete(open, s.Kind); !s.Heal {
			open[s.Kind] = s
			ids[s.ID] = true
			windows[s.Kind]++
		}
	}
	for _, u := range uses {
		if windows[u.Kind] == 0 {
			rt.Fatalf("%s has no window in %v", u.Kind, total)
		}
	}
	if len(open) > 0 {
		rt.Fatalf("never healed: %v", open)
	}
}

// Of a fault that has brief windows, one in three is brief, and never the first; a
// run with few windows has none.
func TestBriefWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		kill, err := NewUse(Kill(), nil, 5)
		if err != nil {
			rt.Fatal(err)
		}
		total := time.Duration(rapid.IntRange(2, 120).Draw(rt, "seconds")) * time.Second
		steps, err := Schedule([]Use{kill}, total, choice.New(rapid.Uint64().Draw(rt, "seed")))
		if err != nil {
			rt.Fatal(err)
		}
		checkSchedule(rt, []Use{kill}, steps, total)
		brief := make([]bool, len(steps)/2)
		for k := range brief {
			brief[k] = steps[2*k+1].At-steps[2*k].At <= 400*time.Millisecond
		}
		for k := 0; k < len(brief); k += briefEvery {
			turn, n := brief[k:min(k+briefEvery, len(brief))], 0
			for _, b := range turn {
				if b {
					n++
				}
			}
			want := 0
			if total >= briefAtAll*10*time.Second {
				want = 1
			}
			if turn[0] || n > want || n < want && len(turn) == briefEvery {
				rt.Fatalf("%v: windows %d to %d, brief ones among them: %v", total, k+1, k+len(turn), turn)
			}
		}
	})
}

// What cannot be meant is refused, with what to do.
func TestParams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  Fault
		nodes  int
		params map[string]string
		want   string
	}{
		{Kill(), 5, map[string]string{"often": "5s"}, `fault kill has no parameter "often": it has every, for, after, vary, targets`},
		{Kill(), 5, map[string]string{"every": "5"}, `fault kill: every="5" is not a duration: write it like 500ms, 10s or 1m`},
		{Kill(), 5, map[string]string{"for": "-5s"}, `for="-5s" is not a duration`},
		{Kill(), 5, map[string]string{"after": "2562000h"}, "after=2562000h is too long: at most 10000h"},
		{Kill(), 5, map[string]string{"targets": "some"}, `targets="some" is not known: want one of one, minority, majority, all, leader, moment, mix`},
		{Pause(), 2, map[string]string{"targets": "minority"}, "2 nodes have no minority; take at least 3 nodes or targets=one"},
		{Power(), 3, map[string]string{"targets": "minority"}, ""},
		{Power(), 1, map[string]string{"targets": "all"}, ""},
		{Clock(), 5, map[string]string{"offset": "0s"}, `offset="0s" is not a jump: write it like 30s or -500ms, or mix`},
		{Clock(), 5, map[string]string{"offset": "soon"}, "is not a jump"},
		{Clock(), 5, map[string]string{"offset": "-500ms", "drift": "-1ms"}, ""},
		{Clock(), 5, map[string]string{"drift": "fast"}, `drift="fast" is not a duration`},
		{Clock(), 2, map[string]string{"targets": "minority"}, "2 nodes have no minority"},
		{Kill(), 5, map[string]string{"every": ""}, ""},
		{Packet(), 5, map[string]string{"kind": "lose"}, `kind="lose" is not known: want one of delay, loss, dup, reorder, storm, mix`},
		{Packet(), 5, map[string]string{"links": "some"}, `links="some" is not known: want one of node, all, leader, link, clients, mix`},
		{Packet(), 1, nil, "1 node has no links to others; take at least 2 nodes, or links=clients"},
		{Packet(), 1, map[string]string{"links": "clients"}, ""},
		{Packet(), 5, map[string]string{"links": "clients", "kind": "dup"}, "kind=dup does nothing to clients, who talk over TCP"},
		{Packet(), 5, map[string]string{"loss": "20"}, `loss="20" is not a share from 5% to 90%: write it like 20%, or mix`},
		{Byzantine(), 3, nil, "3 nodes can bear no Byzantine one"},
		{Byzantine(), 5, map[string]string{"node": "n6"}, "node=n6: the nodes of this cluster are n1 to n5"},
		{Byzantine(), 5, map[string]string{"deed": "lie"}, `deed="lie" is not known`},
		{Packet(), 5, map[string]string{"dup": "1%"}, `dup="1%" is not a share`},
		{Packet(), 5, map[string]string{"reorder": "95%"}, `reorder="95%" is not a share`},
		{Packet(), 5, map[string]string{"delay": "1h"}, `delay="1h" is not a time from 5ms to 2s: write it like 200ms, or mix`},
		{Packet(), 5, map[string]string{"behind": "10ms"}, `behind="10ms" is not a time from 200ms to 2s`},
		{Packet(), 5, map[string]string{"loss": "5%", "jitter": "0s", "behind": "2s", "delay": "5ms"}, ""},
	} {
		_, err := NewUse(c.fault, c.params, c.nodes)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v on %d nodes: %v\nwant %s", c.fault.Kind, c.params, c.nodes, err, c.want)
		}
	}
}

// Every parameter has a sentence of its own, and its default is accepted.
func TestParamsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, f := range builtin {
		if f.Doc == "" || f.Needs == "" {
			t.Errorf("fault %s: doc %q, needs %q", f.Kind, f.Doc, f.Needs)
		}
		for _, p := range f.Params {
			if p.Doc == "" || p.Name == "" {
				t.Errorf("fault %s: parameter %+v", f.Kind, p)
			}
		}
		for nodes := 3; nodes <= 7; nodes++ {
			if _, err := NewUse(f, nil, nodes); err != nil {
				t.Errorf("%d nodes: %v", nodes, err)
			}
		}
	}
}
