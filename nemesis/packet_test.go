package nemesis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// aimedPacket returns a window on so many nodes.
func aimedPacket(t interface{ Fatal(...any) }, f *fake, params map[string]string, seed uint64, record *history.Value) *packet {
	use, err := NewUse(Packet(), params, f.Nodes())
	if err != nil {
		t.Fatal(err)
	}
	w, err := aimPacket(&Scene{
		Control: f, Params: use.Params, Draw: choice.New(seed).Stream("test"), Taken: make([]bool, f.Nodes()), Record: record,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.(*packet)
}

// Every window has links, all of them of the sort that was asked for, does
// something to packets, leaves some links alone, and is restored from what it
// wrote down.
func TestPacketWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := newFake(rapid.IntRange(2, 7).Draw(rt, "nodes"))
		f.leader = rapid.IntRange(-1, f.Nodes()-1).Draw(rt, "leader")
		params := map[string]string{
			"kind":  rapid.SampledFrom(weightedNames(packetKinds)).Draw(rt, "kind"),
			"links": rapid.SampledFrom(weightedNames(packetLinks)).Draw(rt, "links"),
		}
		if params["links"] == "clients" {
			params["kind"] = "delay"
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		w := aimedPacket(rt, f, params, seed, nil)
		if why := w.odd(f, params); why != "" {
			rt.Fatalf("%v: %s: %+v", params, why, w)
		}
		record := history.Map(append(w.Plan(), str("nodes"), names(w.nodes))...)
		again := aimedPacket(rt, f, params, seed+1, &record)
		if again.kind != w.kind || again.what != w.what || !slices.Equal(again.links, w.links) || !slices.Equal(again.nodes, w.nodes) {
			rt.Fatalf("restored as %+v, was %+v", again, w)
		}
	})
}

// odd says what is wrong with a window.
func (w *packet) odd(f *fake, params map[string]string) string {
	n := f.Nodes()
	sizes := map[string]int{"link": 1, "node": 2 * (n - 1), "leader": 2 * (n - 1), "all": n * (n - 1), "clients": 2 * n}
	want, fixed := sizes[params["links"]]
	has := map[string]bool{
		"delay": w.what.Delay > 0, "loss": w.what.Loss > 0, "dup": w.what.Dup > 0, "reorder": w.what.Reorder > 0,
	}
	for kind, is := range has {
		if is != (w.kind == kind || w.kind == "storm") {
			return "is not a " + w.kind
		}
	}
	switch {
	case len(w.links) == 0 || fixed && len(w.links) != want:
		return fmt.Sprintf("%d links", len(w.links))
	case params["links"] == "leader" && f.leader >= 0 && !slices.Equal(w.nodes, []int{f.leader}):
		return "is not the leader's"
	case params["kind"] != "mix" && params["kind"] != w.kind:
		return "is another kind"
	case len(w.control) == 0 || slices.ContainsFunc(w.control, func(l world.Link) bool { return slices.Contains(w.links, l) }):
		return "has no control group of its own"
	case (w.what.Dup+w.what.Reorder > 0) != (w.what.Behind > 0):
		return "is not behind"
	}
	return ""
}

// What is given is taken, and what is left open comes from the same draws.
func TestPacketParams(t *testing.T) {
	t.Parallel()
	f := newFake(5)
	given := map[string]string{"kind": "storm", "links": "all", "loss": "7%", "delay": "150ms"}
	open := aimedPacket(t, f, map[string]string{"kind": "storm", "links": "all"}, 3, nil).what
	got := aimedPacket(t, f, given, 3, nil).what
	want := open
	want.Loss, want.Delay, want.Jitter = 70_000, 150*time.Millisecond, got.Jitter
	if got != want || got.Jitter > 150*time.Millisecond {
		t.Errorf("drawn as %+v, want %+v", got, want)
	}
}

// Dead links tell nothing, and if the control group fares as badly as what was
// aimed at, or nothing of it arrives, nobody can tell what the fault did.
func TestPacketWitness(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(f *fake, w *packet)
		want  history.Witness
	}{
		"as planned":         {func(*fake, *packet) {}, history.Confirmed},
		"one link is dead":   {func(f *fake, w *packet) { f.broken = w.links[:1] }, history.Confirmed},
		"all links are dead": {func(f *fake, w *packet) { f.broken = w.links }, history.Inconclusive},
		"no control group":   {func(f *fake, w *packet) { f.broken = w.control }, history.Inconclusive},
		"everywhere":         {func(f *fake, w *packet) { f.shaped = append(f.shaped, w.control...) }, history.Ineffective},
		"half of it":         {func(f *fake, _ *packet) { f.shape.Dup = 0 }, history.Ineffective},
	} {
		f := newFake(5)
		w := aimedPacket(t, f, map[string]string{"kind": "storm", "links": "node"}, 1, nil)
		if err := w.Inject(f); err != nil {
			t.Fatal(err)
		}
		c.spoil(f, w)
		if got, err := w.Witness(f); err != nil || got.Witness != c.want {
			t.Errorf("%s: %s, %v, want %s: %v", name, got.Witness, err, c.want, got.Evidence)
		}
	}
	f := newFake(5)
	w := aimedPacket(t, f, map[string]string{"kind": "storm", "links": "node"}, 1, nil)
	f.shaped, f.shape = w.links, world.Packets{Loss: w.what.Loss}
	if got, err := w.Recheck(f); err != nil || got.Witness != history.Ineffective {
		t.Errorf("packets are still lost, and it is %s, %v", got.Witness, err)
	}
}

// A recorded choice that cannot be read is an error, not another choice.
func TestPacketRecordIsDamaged(t *testing.T) {
	t.Parallel()
	record := history.Map(str("shape"), str("loss"), str("links"), history.List(str("n1>n2")), str("packets"), history.Map(str("loss"), str("most")))
	_, err := aimPacket(&Scene{
		Control: newFake(5), Params: Params{"kind": "mix", "links": "mix"}, Draw: choice.New(1).Stream("test"), Record: &record,
	})
	if err == nil || !strings.Contains(err.Error(), "does not say what became of packets") {
		t.Errorf("got %v", err)
	}
}
