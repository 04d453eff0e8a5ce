package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// rough is a network on which everything happens.
var rough = sim.Config{Net: sim.Net{Loss: 5_000, Dup: 5_000, Delay: 10_000}}

// outcome is all that can be seen of a run.
type outcome struct {
	digest string
	events uint64
	story  string // completions, deaths and log lines
	trace  []byte
	parted string
}

// scene runs a second of a cluster of five with five clients, while every
// fault there is happens to it.
func scene(cfg sim.Config, seed uint64, expect []byte) (outcome, error) {
	var trace bytes.Buffer
	ctx := context.Background()
	deployed, err := sim.New(cfg).Deploy(ctx, world.Spec{
		Nodes: 5, Boot: bootQuorum, Choices: choice.New(seed), Record: &trace, Expect: expect, OpTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		return outcome{}, err
	}
	c := deployed.(*sim.Cluster)
	w := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		op.Error = "mayhem was had"
		if err := mayhem(ctl); err != nil {
			op.Error = err.Error()
		}
		return op
	})
	c.Start(w, history.Op{F: "mayhem"})
	for i := range 5 {
		c.Start(c.AddClient(i%5, ask), history.Op{F: "echo", Value: history.Int(int64(i))})
	}
	var story strings.Builder
	for e, ok := c.Next(second); ok; e, ok = c.Next(second) {
		fmt.Fprintln(&story, e)
		if !e.Died && e.Worker != w {
			c.Start(e.Worker, e.Op)
		}
	}
	lines, err := c.Logs(ctx)
	if err != nil {
		return outcome{}, err
	}
	fmt.Fprintln(&story, lines)
	if err := c.Close(ctx); err != nil {
		return outcome{}, err
	}
	return outcome{c.Digest(), c.Events(), story.String(), trace.Bytes(), c.Divergence()}, nil
}

// mayhem brings every fault about once, and has every witness look.
func mayhem(ctl world.Control) error {
	links := []world.Link{{From: 0, To: 1}, {From: world.Clients, To: 2}, {From: 3, To: 0}}
	for _, step := range []func() error{
		func() error { return ctl.Cut(links) },
		func() error { _, err := ctl.Probe(links); return err },
		func() error { return ctl.SetClock(1, time.Second, 1000) },
		func() error { _, err := ctl.Clock(1); return err },
		func() error { return ctl.Cut(nil) },
		func() error { return ctl.Pause(2) },
		func() error { return ctl.Kill(3) },
		func() error { return ctl.Resume(2) },
		func() error { return ctl.Start(3) },
		func() error { return ctl.PowerOff([]int{4}, world.Sag{}) },
		func() error { _, err := ctl.Disk(4); return err },
		func() error { return ctl.Start(4) },
		func() error { _, err := ctl.Status(4); return err },
		func() error { _, err := ctl.Dropped(); return err },
	} {
		ctl.Sleep(50 * time.Millisecond)
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func mustScene(t *testing.T, cfg sim.Config, seed uint64, expect []byte) outcome {
	t.Helper()
	o, err := scene(cfg, seed, expect)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(o.story, "mayhem was had") || strings.Contains(o.story, "panic") || o.events < 3000 {
		t.Fatalf("the scene is not as it should be: %d events, %s", o.events, o.story)
	}
	return o
}

// The same seed gives the same bytes: on one processor and on two, alone and
// beside others. (This test is not parallel, because it changes GOMAXPROCS.)
func TestSameSeedSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := mustScene(t, rough, 1, nil)
	runtime.GOMAXPROCS(2)
	var same [4]outcome
	var group sync.WaitGroup
	for i := range same {
		group.Go(func() { same[i], _ = scene(rough, 1, nil) })
	}
	group.Wait()
	for i, got := range same {
		if got.digest != want.digest || got.story != want.story || !bytes.Equal(got.trace, want.trace) {
			t.Errorf("run %d differs: digest %s and %d events, want %s and %d", i, got.digest, got.events, want.digest, want.events)
		}
	}
	if uint64(len(want.trace)) != 2*want.events {
		t.Errorf("the trace of %d events has %d bytes", want.events, len(want.trace))
	}
}

// The digest of this scene is the same in every process, on every machine and
// in every build. It changes when the simulator or the scene does.
func TestDigestOfAllBuilds(t *testing.T) {
	t.Parallel()
	const want = "a68281dac17b5fab"
	if got := mustScene(t, rough, 42, nil).digest; got != want {
		t.Errorf("digest %s, want %s; if the simulator was changed on purpose, write down the new one", got, want)
	}
}

func TestOtherSeedOtherBytes(t *testing.T) {
	t.Parallel()
	seen := map[string]uint64{}
	for seed := range uint64(5) {
		d := mustScene(t, rough, seed, nil).digest
		if other, ok := seen[d]; ok {
			t.Errorf("seeds %d and %d have the digest %s", other, seed, d)
		}
		seen[d] = seed
	}
}

// To flip one delivered byte changes the digest, and a replay names the event.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	plain := mustScene(t, rough, 1, nil)
	for _, kind := range []string{"message", "request", "reply"} {
		var victim sim.Occurrence
		find := sim.Config{Net: rough.Net, Observe: func(o sim.Occurrence) {
			if victim.Kind == "" && o.Index > 1000 && o.Kind == kind && len(o.Bytes) > 0 {
				victim = o
			}
		}}
		if got := mustScene(t, find, 1, nil); got.digest != plain.digest {
			t.Fatal("to observe a run changes it")
		}
		flip := sim.Config{Net: rough.Net, Tamper: func(index uint64, body []byte) []byte {
			if index != victim.Index {
				return body
			}
			body = bytes.Clone(body)
			body[len(body)-1] ^= 1
			return body
		}}
		got := mustScene(t, flip, 1, plain.trace)
		if got.digest == plain.digest {
			t.Errorf("a flipped byte of %v left the digest as it was", victim)
		}
		begin := fmt.Sprintf("first difference: event %d at %.6f s: %s %s→%s, ", victim.Index, float64(victim.Time)/1e9, kind, victim.From, victim.To)
		if !strings.HasPrefix(got.parted, begin) {
			t.Errorf("the replay says %q, want %q…", got.parted, begin)
		}
	}
}

// A replay that goes as it should says nothing; one that is shorter or longer
// than the recording says so.
func TestDivergence(t *testing.T) {
	t.Parallel()
	plain := mustScene(t, rough, 1, nil)
	for _, c := range []struct {
		name   string
		expect []byte
		want   string
	}{
		{"Same", plain.trace, ""},
		{"Longer", append(bytes.Clone(plain.trace), 0, 0), fmt.Sprintf("the run ended before event %d of the recording", plain.events)},
		{"Shorter", plain.trace[:2000], "the recording ended before event 1000 at "},
		{"Empty", []byte{}, "the recording ended before event 0 at 0.000000 s: boot n1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := mustScene(t, rough, 1, c.expect).parted
			if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A writer that fails is reported when the recording is complete.
func TestRecordingFails(t *testing.T) {
	t.Parallel()
	cluster, err := sim.New(sim.Config{}).Deploy(t.Context(), world.Spec{
		Nodes: 1, Boot: bootEcho, Record: brokenWriter{}, Choices: choice.New(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close returned %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

// The digest covers when things happen as well.
func TestDigestCoversTime(t *testing.T) {
	t.Parallel()
	digest := func(base time.Duration) string {
		c := deploy(t, sim.Config{Net: sim.Net{Local: sim.Latency{Base: base}}}, 1, 1, bootEcho)
		echoes(t, c, 0, "x")
		return c.Digest()
	}
	a, again, later := digest(time.Millisecond), digest(time.Millisecond), digest(time.Millisecond+1)
	if a != again || a == later {
		t.Errorf("digests %s and %s of the same run, and %s a nanosecond later", a, again, later)
	}
}
