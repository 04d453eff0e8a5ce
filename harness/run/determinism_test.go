package run_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/kinds"
)

// The same plan gives the same bytes for every kind of target, while other runs
// go on beside it; another seed gives others.
func TestSamePlanSameBytes(t *testing.T) {
	t.Parallel()
	for _, k := range append(kinds.All(), kinds.Kind{Name: "store set", Target: "store", Settings: weak, Workload: "set"}) {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			reg := registry.Builtin()
			short := func(seed uint64) *plan.Plan {
				p := planOf(k)(seed)
				p.Time = plan.Duration(15 * time.Second)
				return p
			}
			first, again, other := execute(t, reg, short(1)), execute(t, reg, short(1)), execute(t, reg, short(2))
			mustEqual(t, first.Run, again.Run, exactly...)
			if first.Result.Digest != again.Result.Digest || first.Result.Digest == other.Result.Digest {
				t.Errorf("digests %s, %s and %s", first.Result.Digest, again.Result.Digest, other.Result.Digest)
			}
		})
	}
}

// A single bit that is delivered otherwise shows in the digest, whether or not
// anything comes of it.
func TestFlippedByteShows(t *testing.T) {
	t.Parallel()
	digest := func(tamper func(index uint64, body []byte) []byte) string {
		reg := registry.Builtin()
		reg.Worlds = []world.World{sim.New(sim.Config{Tamper: tamper})}
		return execute(t, reg, planFor(1, 5*time.Second, ap)).Result.Digest
	}
	honest := digest(nil)
	if same := digest(func(_ uint64, body []byte) []byte { return body }); same != honest {
		t.Errorf("whoever only looks changes the digest: %s, %s", same, honest)
	}
	flipped := 0
	for _, at := range []uint64{100, 2500, 5000} {
		done := false
		got := digest(func(index uint64, body []byte) []byte {
			if index < at || done {
				return body
			}
			done = true
			body = bytes.Clone(body)
			body[len(body)-1] ^= 1
			return body
		})
		if done {
			flipped++
		}
		if done && got == honest {
			t.Errorf("a byte of event %d was flipped, and the digest is the same", at)
		}
	}
	if flipped < 3 {
		t.Errorf("only %d bytes were flipped", flipped)
	}
}

// Whether a run is watched, followed or kept changes nothing in it.
func TestWatchingChangesNothing(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	p := planFor(4, 15*time.Second, cp, four...)
	first := execute(t, reg, p)
	var progress []run.Progress
	again, err := try(t.Context(), reg, p, run.Config{
		Out: t.TempDir(), Keep: true, Progress: func(p run.Progress) { progress = append(progress, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, first.Run, again.Run, exactly...)
	if again.TakeDown != nil {
		t.Error("a simulated cluster was left up: nobody can look at it")
	}
}
