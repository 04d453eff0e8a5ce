package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

var builtin = []Fault{Partition(), Kill(), Pause(), Clock(), Packet(), Power()}

// one aims every fault at a single node, or cuts a single node off.
func one(f Fault) map[string]string {
	switch f.Kind {
	case "partition":
		return map[string]string{"shape": "one"}
	case "clock":
		return map[string]string{"targets": "one", "offset": "30s"}
	case "packet":
		return map[string]string{"kind": "storm", "links": "node"}
	default:
		return map[string]string{"targets": "one"}
	}
}

// A window goes through its life: aimed before it is injected, looked at,
// looked back on, healed, and looked at again.
func TestLifeOfAWindow(t *testing.T) {
	t.Parallel()
	orders := map[string][]string{
		"partition": {"Cut 8", "Cut 0"},
		"kill":      {"Kill N", "Start N"},
		"pause":     {"Pause N", "Resume N"},
		"clock":     {"SetClock N 30s 0", "SetClock N 0s 0"},
		"packet":    {"Shape 8", "Shape 0"},
		"power":     {"PowerOff N", "Disk N", "Start N"},
	}
	for _, f := range builtin {
		t.Run(f.Kind, func(t *testing.T) {
			t.Parallel()
			d := newDrill(f, one(f))
			injected := d.inject(1, f.Kind)
			d.fake.now += 5 * time.Second
			healed := d.heal(1, f.Kind)
			if got := steps(d.records); !slices.Equal(got, []string{"aim", "injected", "healed"}) {
				t.Errorf("records %v", got)
			}
			for _, v := range []history.Value{injected, healed} {
				onlyCounts := f.Kind == "partition" || f.Kind == "packet"
				looks := v.Get("step").Text() == "injected" || !onlyCounts // packets at the end of the window
				if looks && v.Get("witness").Text() != string(history.Confirmed) || v.Get("kind").Text() != f.Kind {
					t.Errorf("recorded as %v", v)
				}
				if !v.Get("nodes").Equal(d.records[0].Value.Get("nodes")) || len(v.Get("nodes").Elems()) != 1 {
					t.Errorf("the nodes were %v, now %v", d.records[0].Value.Get("nodes"), v.Get("nodes"))
				}
			}
			if ex, ok := healed.Get("exercised").Bool(); !ok || ex {
				t.Errorf("exercised: %v, though the target did nothing", healed.Get("exercised"))
			}
			if back, _ := healed.Get("evidence").Get("after").Get("healed").Bool(); !back {
				t.Errorf("not seen to be healed: %v", healed)
			}
			node := fmt.Sprint(nodeNumbers(injected.Get("nodes"))[0])
			var want []string
			for _, o := range orders[f.Kind] {
				want = append(want, strings.ReplaceAll(o, "N", node))
			}
			if diff := cmp.Diff(want, d.fake.did()); diff != "" {
				t.Errorf("orders: %s", diff)
			}
		})
	}
}

func steps(ops []history.Op) []string {
	var names []string
	for _, op := range ops {
		names = append(names, op.Value.Get("step").Text())
	}
	return names
}

// A fault that does nothing is found out, whatever it claims.
func TestFaultThatDoesNothingIsIneffective(t *testing.T) {
	t.Parallel()
	for _, f := range builtin {
		d := newDrill(f, one(f))
		d.fake.inert = true
		if v := d.inject(1, f.Kind); v.Get("witness").Text() != string(history.Ineffective) {
			t.Errorf("%s: %v", f.Kind, v)
		}
		if v := d.heal(1, f.Kind); v.Get("witness").Text() == string(history.Confirmed) {
			t.Errorf("%s, healed: %v", f.Kind, v)
		}
	}
}

// A window is exercised if the target itself met the fault, and only then.
func TestExercised(t *testing.T) {
	t.Parallel()
	meet := map[string]func(d *drill, node int){
		"partition": func(d *drill, _ int) { d.fake.dropped[d.fake.cut[0]] += 3 },
		"kill":      func(d *drill, n int) { d.fake.procs[n].Refused++ },
		"pause":     func(d *drill, n int) { d.fake.procs[n].Refused++ },
		"clock":     func(d *drill, n int) { d.fake.clocks[n].Reads++ },
		"packet":    func(d *drill, _ int) { d.fake.met[d.fake.shaped[0]] += 3 },
		"power":     func(d *drill, n int) { d.fake.procs[n].Refused++ },
	}
	for _, f := range builtin {
		d := newDrill(f, one(f))
		d.fake.procs[0].Refused, d.fake.dropped[world.Link{From: 0, To: 1}] = 7, 7 // of earlier windows
		node := nodeNumbers(d.inject(1, f.Kind).Get("nodes"))[0]
		meet[f.Kind](d, node)
		if ex, _ := d.heal(1, f.Kind).Get("exercised").Bool(); !ex {
			t.Errorf("%s: not exercised: %v", f.Kind, d.last().Value)
		}
	}
}

// What the target met is not lost when a process dies that could tell.
func TestExercisedBeforeItDied(t *testing.T) {
	t.Parallel()
	clock, _ := NewUse(Clock(), map[string]string{"targets": "leader", "offset": "30s"}, 5)
	kill, _ := NewUse(Kill(), map[string]string{"targets": "leader"}, 5)
	d := drillOf(newFake(5), clock, kill)
	d.fake.leader = 2
	d.inject(1, "clock")
	d.fake.clocks[2].Reads += 5
	d.inject(2, "kill")
	healed := d.heal(1, "clock")
	if ex, _ := healed.Get("exercised").Bool(); !ex {
		t.Error("what the clock window met before the kill was forgotten")
	}
	if w := healed.Get("witness").Text(); w != string(history.Inconclusive) {
		t.Errorf("the clock of a dead node is %s", w)
	}
	if d.last().Error != "" {
		t.Errorf("a dead node is no error of the harness: %s", d.last().Error)
	}
	if got := d.heal(2, "kill").Get("witness").Text(); got != string(history.Confirmed) {
		t.Errorf("the kill is %s", got)
	}
}

// A restart in the middle of a clock window resets the count of reads.
func TestClockWindowThroughARestart(t *testing.T) {
	t.Parallel()
	d := newDrill(Clock(), one(Clock()))
	node := nodeNumbers(d.inject(1, "clock").Get("nodes"))[0]
	_ = d.fake.Kill(node)
	_ = d.fake.Start(node)
	d.fake.clocks[node].Reads = 4
	healed := d.heal(1, "clock")
	reads, _ := healed.Get("evidence").Get("reads").Get(nodeName(node)).Int()
	if ex, _ := healed.Get("exercised").Bool(); !ex || reads != 4 {
		t.Errorf("of four reads since the restart, %d are seen; exercised: %v", reads, ex)
	}
	if w := d.last().Value.Get("witness").Text(); w != string(history.Confirmed) {
		t.Errorf("the clock stays moved through a restart, but is %s", w)
	}
}

// Whatever fails on the way, the window is healed.
func TestHealedWhateverFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct{ fault, call string }{
		{"kill", "Kill 1"}, {"pause", "Pause 1"}, {"power", "PowerOff 1"}, {"power", "Disk 1"},
		{"partition", "Probe"}, {"partition", "Cut 8"}, {"clock", "SetClock 1 30s 0"},
	} {
		t.Run(c.fault+" "+c.call, func(t *testing.T) {
			t.Parallel()
			f := builtin[slices.IndexFunc(builtin, func(f Fault) bool { return f.Kind == c.fault })]
			params := one(f)
			if c.fault != "partition" {
				params["targets"] = "leader"
			}
			d := newDrill(f, params)
			d.fake.leader = 1
			d.fake.fail[c.call] = boom
			d.inject(1, c.fault)
			if d.last().Error == "" || d.last().Value.Get("witness").Text() == string(history.Confirmed) {
				t.Errorf("injected: %v, error %q", d.last().Value, d.last().Error)
			}
			d.fake.fail = nil
			before := len(d.fake.did())
			d.heal(1, c.fault)
			if len(d.fake.did()) == before {
				t.Error("nothing was healed")
			}
			if d.last().Error != "" || len(d.open) != 0 {
				t.Errorf("healed with error %q, %d windows open", d.last().Error, len(d.open))
			}
		})
	}
}

// Healing is tried again, and all nodes of a window are healed even if one
// of them cannot be.
func TestHealIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, fails := range []int{1, 4, 5} {
		d := newDrill(Kill(), map[string]string{"targets": "all"})
		d.inject(1, "kill")
		d.fake.fail["Start 2"], d.fake.fails = errors.New("boom"), fails
		d.heal(1, "kill")
		if failed := d.last().Error != ""; failed != (fails == 5) {
			t.Errorf("%d failures: %q", fails, d.last().Error)
		}
		for n, p := range d.fake.procs {
			if (p.State != "running") != (fails == 5 && n == 2) {
				t.Errorf("%d failures: node %d is %s", fails, n, p.State)
			}
		}
	}
}

// A fault that is still there after it was healed is an error, after a while
// in which it may go.
func TestHealedButStillThere(t *testing.T) {
	t.Parallel()
	for _, goes := range []bool{true, false} {
		d := newDrill(Partition(), one(Partition()))
		d.inject(1, "partition")
		link := d.fake.cut[0]
		d.fake.broken = []world.Link{link}
		probes := 0
		d.fake.onCall = func(call string) {
			if call != "Probe" {
				return
			}
			if probes++; goes && probes == 3 {
				d.fake.broken = nil
			}
		}
		d.heal(1, "partition")
		back, _ := d.last().Value.Get("evidence").Get("after").Get("healed").Bool()
		if failed := d.last().Error != ""; back != goes || failed == goes {
			t.Errorf("seen healed: %v, want %v: %v", back, goes, d.last())
		}
	}
}

// A link that nobody cut and that is dead is not the window's fault.
func TestHealedWhileAnotherLinkIsDead(t *testing.T) {
	t.Parallel()
	d := newDrill(Partition(), one(Partition()))
	d.inject(1, "partition")
	d.fake.broken = slices.DeleteFunc(allLinks(5), func(l world.Link) bool { return slices.Contains(d.fake.cut, l) })[:1]
	d.heal(1, "partition")
	if back, _ := d.last().Value.Get("evidence").Get("after").Get("healed").Bool(); back || d.last().Error != "" {
		t.Errorf("%v", d.last())
	}
}

// The control group of a partition: links that are dead though nobody cut
// them make the finding inconclusive, and links that live though cut make it
// ineffective.
func TestPartitionWitness(t *testing.T) {
	t.Parallel()
	d := newDrill(Partition(), one(Partition()))
	d.inject(1, "partition")
	w := d.open[0]
	look := func(want history.Witness) {
		t.Helper()
		if f, err := w.Witness(d.fake); f.Witness != want || err != nil {
			t.Errorf("%+v, %v; want %s", f, err, want)
		}
	}
	look(history.Confirmed)
	open := allLinks(5)
	open = slices.DeleteFunc(open, func(l world.Link) bool { return slices.Contains(d.fake.cut, l) })
	d.fake.broken = open[:1]
	look(history.Inconclusive)
	d.fake.cut = d.fake.cut[1:]
	look(history.Ineffective)
	d.fake.broken = nil
	look(history.Ineffective)
}

// A loss of power counts only if something was really lost, and a disk that
// loses what was synced is an error of the harness.
func TestPowerAsksCanaries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		disk world.Canaries
		want history.Witness
		err  string
	}{
		{world.Canaries{Synced: true, Unsynced: false}, history.Confirmed, ""},
		{world.Canaries{Synced: true, Unsynced: true, Lost: 3}, history.Confirmed, ""},
		{world.Canaries{Synced: true, Unsynced: true}, history.Inconclusive, ""},
		{world.Canaries{Synced: false}, history.Confirmed, "a file of the harness that was synced is gone"},
	} {
		d := newDrill(Power(), map[string]string{"targets": "all"})
		for n := range d.fake.disks {
			d.fake.disks[n] = c.disk
		}
		if got := d.inject(1, "power").Get("witness").Text(); got != string(c.want) {
			t.Errorf("%+v: %s, want %s", c.disk, got, c.want)
		}
		if got := d.last().Error; (c.err == "") != (got == "") || !strings.Contains(got, c.err) {
			t.Errorf("%+v: error %q, want %q", c.disk, got, c.err)
		}
	}
}

// heal-all heals every window that is open, in order, and writes down both
// ends of each.
func TestHealAll(t *testing.T) {
	t.Parallel()
	var uses []Use
	for _, f := range builtin {
		use, err := NewUse(f, one(f), 5)
		if err != nil {
			t.Fatal(err)
		}
		uses = append(uses, use)
	}
	d := drillOf(newFake(5), uses...)
	for i, u := range uses {
		d.inject(int64(i+1), u.Kind)
	}
	d.records = nil
	done := d.Invoke(d.fake, HealAllOp(), func(op history.Op) { d.records = append(d.records, op) })
	if done.Value.Get("step").Text() != "heal-all" || done.Error != "" {
		t.Errorf("completed as %v", done)
	}
	if got := steps(d.records); !slices.Equal(got, slices.Repeat([]string{"heal", "healed"}, len(builtin))) {
		t.Errorf("records %v", got)
	}
	for n, p := range d.fake.procs {
		if p.State != "running" || d.fake.offsets[n].Abs() > time.Second {
			t.Errorf("node %d is %s, its clock off by %v", n, p.State, d.fake.offsets[n])
		}
	}
	if len(d.fake.cut) != 0 || len(d.open) != 0 {
		t.Errorf("still cut: %v, open: %d", d.fake.cut, len(d.open))
	}
}

// A window that could not be aimed is skipped with the reason, and so is its
// end; a step that nobody planned does no harm.
func TestSkippedWindows(t *testing.T) {
	t.Parallel()
	d := newDrill(Kill(), map[string]string{"targets": "all"})
	d.inject(1, "kill")
	d.inject(2, "kill")
	if d.last().Value.Get("step").Text() != "skipped" || !strings.Contains(d.last().Error, "no node is left to aim at") {
		t.Errorf("a second kill of all: %v", d.last())
	}
	d.heal(2, "kill")
	if d.last().Value.Get("step").Text() != "skipped" || !strings.Contains(d.last().Error, "no node is left to aim at") {
		t.Errorf("its end: %v", d.last())
	}
	d.heal(99, "kill")
	if d.last().Value.Get("step").Text() != "skipped" || d.last().Error != "there is no such window" {
		t.Errorf("the end of nothing: %v", d.last())
	}
	d.inject(3, "flood")
	if d.last().Value.Get("step").Text() != "skipped" || d.last().Error != `the plan has no fault "flood"` {
		t.Errorf("an unknown fault: %v", d.last())
	}
	d.heal(1, "kill")
	if d.last().Error != "" {
		t.Errorf("the first kill: %s", d.last().Error)
	}
}

// What was aimed at once can be aimed at again: a runner that follows the
// records does the same, though it draws other numbers.
func TestFollowsTheAim(t *testing.T) {
	t.Parallel()
	for _, f := range builtin {
		for id := int64(1); id <= 20; id++ {
			first := newDrill(f, nil)
			first.fake.leader = 3
			first.inject(id, f.Kind)
			again := newDrill(f, nil)
			aim := first.records[0].Value
			again.Follow(withID(aim, id+1000))
			again.fake.leader = 1
			again.inject(id+1000, f.Kind)
			if !slices.Equal(again.fake.did(), first.fake.did()) {
				t.Errorf("%s %d: did %v, recorded %v", f.Kind, id, again.fake.did(), first.fake.did())
			}
			if got := again.records[0].Value; !got.Equal(withID(aim, id+1000)) {
				t.Errorf("%s %d: aims at %v, recorded %v", f.Kind, id, got, aim)
			}
		}
	}
}

func withID(v history.Value, id int64) history.Value {
	kvs := slices.Clone(v.Elems())
	for i := 0; i < len(kvs); i += 2 {
		if kvs[i].Text() == "id" {
			kvs[i+1] = history.Int(id)
		}
	}
	return history.Map(kvs...)
}

// Offsets that are drawn are of every size, and seen as they were drawn.
func TestClockOffsets(t *testing.T) {
	t.Parallel()
	d := newDrill(Clock(), map[string]string{"targets": "all"})
	seen := map[string]bool{}
	for id := int64(1); id <= 40; id++ {
		v := d.inject(id, "clock")
		if v.Get("witness").Text() != string(history.Confirmed) {
			t.Errorf("%v", v)
		}
		for n := range 5 {
			text := v.Get("offsets").Get(nodeName(n)).Text()
			off, err := time.ParseDuration(text)
			if err != nil || off.Abs() < 100*time.Millisecond || off.Abs() > 154*time.Second {
				t.Errorf("an offset of %v, %v", text, err)
			}
			seen[text] = true
		}
		d.heal(id, "clock")
		if d.last().Error != "" {
			t.Errorf("healed: %s", d.last().Error)
		}
	}
	if len(seen) < 190 {
		t.Errorf("only %d different offsets in 200", len(seen))
	}
}

// A drift is seen to go on, and a clock that only jumped is not a drift.
func TestClockDrift(t *testing.T) {
	t.Parallel()
	d := newDrill(Clock(), map[string]string{"targets": "one", "offset": "1s", "drift": "100ms"})
	node := nodeNumbers(d.inject(1, "clock").Get("nodes"))[0]
	d.fake.now += 10 * time.Second
	d.fake.offsets[node] += time.Second
	if f, err := d.open[0].Witness(d.fake); f.Witness != history.Confirmed || err != nil {
		t.Errorf("%+v, %v", f, err)
	}
	d.fake.offsets[node] -= time.Second
	if f, err := d.open[0].Witness(d.fake); f.Witness != history.Ineffective || err != nil {
		t.Errorf("a clock that stands still in its drift: %+v, %v", f, err)
	}
}
