package sim_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// step is a disk operation of a test, with names of one letter.
type step struct{ op, name, to, data string }

// directory is a model of a disk: what has happened to it, file by file.
type directory struct {
	live map[string]*content
	// bound holds for each name what it may stand for after a loss of power:
	// what it stood for at the last SyncDir, and all that it stood for since.
	// A nil content means that there may be no such file.
	bound map[string][]*content
}

type content struct {
	data   string
	synced int
}

// model returns the directory after the given operations.
func model(steps []step) directory {
	d := directory{map[string]*content{}, map[string][]*content{}}
	for _, s := range steps {
		d.do(s)
	}
	return d
}

func (d *directory) bind(name string, f *content) {
	if d.bound[name] == nil {
		d.bound[name] = []*content{nil}
	}
	d.bound[name] = append(d.bound[name], f)
	if f == nil {
		delete(d.live, name)
	} else {
		d.live[name] = f
	}
}

func (d *directory) do(s step) {
	f := d.live[s.name]
	switch {
	case s.op == "append" && f == nil:
		d.bind(s.name, &content{data: s.data})
	case s.op == "append":
		f.data += s.data
	case s.op == "syncdir":
		d.bound = map[string][]*content{}
		for name, f := range d.live {
			d.bound[name] = []*content{f}
		}
	case f == nil: // the others fail
	case s.op == "sync":
		f.synced = len(f.data)
	case s.op == "rename" && s.name != s.to:
		d.bind(s.to, f)
		d.bind(s.name, nil)
	case s.op == "remove":
		d.bind(s.name, nil)
	}
}

// equals reports whether files is exactly what the model has.
func (d directory) equals(files map[string]string) bool {
	return maps.EqualFunc(files, d.live, func(data string, f *content) bool { return data == f.data })
}

// allows reports whether a loss of power may leave these files behind.
func (d directory) allows(files map[string]string) bool {
	for name := range files {
		if d.bound[name] == nil {
			return false
		}
	}
	for name, candidates := range d.bound {
		data, there := files[name]
		if !slices.ContainsFunc(candidates, func(f *content) bool {
			if f == nil {
				return !there
			}
			return there && len(data) >= f.synced && len(data) <= len(f.data) && strings.HasPrefix(data, f.data[:f.synced])
		}) {
			return false
		}
	}
	return true
}

var drawStep = rapid.Custom(func(t *rapid.T) step {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	return step{
		op:   rapid.SampledFrom([]string{"append", "append", "append", "sync", "syncdir", "rename", "remove"}).Draw(t, "op"),
		name: name.Draw(t, "name"),
		to:   name.Draw(t, "to"),
	}
})

// diskBench is a cluster of one node whose disk does what a test says.
type diskBench struct {
	c         *sim.Cluster
	env       actor.Env
	completed []int // indices of steps, in the order in which they completed
	asked     func()
	t         rapid.TB
}

func newDiskBench(t rapid.TB, seed uint64) *diskBench {
	b := &diskBench{t: t}
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{Nodes: 1, Choices: choice.New(seed), Boot: func(env actor.Env) actor.Node {
		b.env = env
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			b.asked()
			env.Reply(req, body)
		}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.c = cluster.(*sim.Cluster)
	return b
}

// inside runs f in a call of the node.
func (b *diskBench) inside(f func()) {
	b.asked = f
	w := b.c.AddClient(0, ask)
	b.c.Start(w, history.Op{Value: history.String("x")})
	if e, ok := b.c.Next(b.c.Now() + second); !ok || e.Op.Type != history.OK {
		b.t.Fatalf("the node did not take a request: %v", e)
	}
}

// start starts an operation of the disk.
func (b *diskBench) start(i int, s step) {
	d, done := b.env.Disk(), func(error) { b.completed = append(b.completed, i) }
	switch s.op {
	case "append":
		d.Append(s.name, []byte(s.data), done)
	case "sync":
		d.Sync(s.name, done)
	case "syncdir":
		d.SyncDir(done)
	case "rename":
		d.Rename(s.name, s.to, done)
	case "remove":
		d.Remove(s.name, done)
	}
}

// files returns what is on the disk.
func (b *diskBench) files() map[string]string {
	files := map[string]string{}
	b.inside(func() {
		b.env.Disk().List(func(names []string, err error) {
			for _, name := range names {
				b.env.Disk().Read(name, func(data []byte, err error) { files[name] = string(data) })
			}
		})
	})
	b.c.Next(b.c.Now() + second)
	return files
}

func (b *diskBench) control(f func(ctl world.Control) error) {
	if err := b.c.Do(f); err != nil {
		b.t.Fatal(err)
	}
}

// The property of the disk. A node starts operations and dies at any moment.
// What was completed before has happened, in order. Of the rest some first part
// has, and nothing else: after a kill the disk is as after exactly that part,
// after a loss of power it is what that part allows.
func TestDiskAfterDeath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newDiskBench(t, rapid.Uint64().Draw(t, "seed"))
		defer b.close()
		steps := rapid.SliceOfN(drawStep, 1, 25).Draw(t, "steps")
		power := rapid.Bool().Draw(t, "power")
		for i := range steps {
			steps[i].data = fmt.Sprintf("<%d>", i)
			b.inside(func() { b.start(i, steps[i]) })
			b.c.Next(b.c.Now() + rapid.Int64Range(0, 400).Draw(t, "µs")*1000)
		}
		b.control(func(ctl world.Control) error {
			if power {
				return ctl.PowerOff([]int{0}, world.Sag{})
			}
			return ctl.Kill(0)
		})
		for i, done := range b.completed {
			if i != done {
				t.Fatalf("operations completed in the order %v", b.completed)
			}
		}
		certain := len(b.completed)
		b.control(func(ctl world.Control) error { return ctl.Start(0) })
		files := b.files()
		for n := certain; n <= len(steps); n++ {
			if m := model(steps[:n]); power && m.allows(files) || !power && m.equals(files) {
				return
			}
		}
		t.Fatalf("after power=%v and %d completed steps of %v the disk has %v", power, certain, steps, files)
	})
}

func (b *diskBench) close() { _ = b.c.Close(context.Background()) }

// A loss of power is not always kind and not always cruel: over many seeds each
// thing that may happen does.
func TestPowerOffVaries(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(300) {
		files, found := outage(t, seed)
		if !found.Synced {
			t.Error("the synced canary is gone")
		}
		seen[fmt.Sprintf("canary %v", found.Unsynced)]++
		seen[fmt.Sprintf("lost %v", found.Lost > 0)]++
		_, there := files["b"]
		seen[fmt.Sprintf("b %v", there)]++
		seen["old "+files["old"]]++
		const whole, before = "-tail", "safe:last"
		switch tail, sound := strings.CutPrefix(files["a"], "safe"); {
		case !sound:
			t.Errorf("what was synced is %q", files["a"])
		case tail == whole:
			seen["tail kept"]++
		case tail == "":
			seen["tail lost"]++
		case strings.HasPrefix(whole, tail):
			seen["tail torn"]++
		case strings.Trim(tail, "\x00-tail") == "":
			seen["tail with zeros"]++
		case strings.Contains(before, tail[len(tail)-1:]):
			seen["tail with what was there before"]++
		default:
			seen["tail with garbage"]++
		}
	}
	for _, what := range []string{
		"canary true", "canary false", "lost true", "lost false", "b true", "b false",
		"old old", "old new", "tail kept", "tail torn", "tail lost",
		"tail with zeros", "tail with garbage", "tail with what was there before",
	} {
		if seen[what] < 3 {
			t.Errorf("%q happened %d times in 300 runs", what, seen[what])
		}
	}
	if len(seen) != 14 {
		t.Errorf("other things happened as well: %v", seen)
	}
}

// outage does a few things to the disk of a node, turns its power off, and
// returns what it found afterwards.
func outage(t *testing.T, seed uint64) (files map[string]string, found world.Canaries) {
	b := newDiskBench(t, seed)
	defer b.close()
	b.inside(func() {
		for i, s := range []step{
			{"append", "a", "", "0000:last"}, {"remove", "a", "", ""},
			{"append", "a", "", "safe"}, {"sync", "a", "", ""}, {"append", "old", "", "old"}, {"sync", "old", "", ""}, {"syncdir", "", "", ""},
			{"append", "a", "", "-tail"}, {"append", "new", "", "new"}, {"sync", "new", "", ""},
			{"rename", "new", "old", ""}, {"append", "b", "", "b"},
		} {
			b.start(i, s)
		}
	})
	b.c.Next(b.c.Now() + second)
	b.control(func(ctl world.Control) (err error) {
		if err := ctl.PowerOff([]int{0}, world.Sag{}); err != nil {
			return err
		}
		found, err = ctl.Disk(0)
		return errors.Join(err, ctl.Start(0))
	})
	return b.files(), found
}

// A node that is dead already loses what was in its page cache when the power
// goes, and what survived that is safe for good.
func TestPowerOffOfDead(t *testing.T) {
	t.Parallel()
	lost := 0
	for seed := range uint64(50) {
		b := newDiskBench(t, seed)
		b.inside(func() { b.start(0, step{op: "append", name: "a", data: "unsynced"}) })
		b.c.Next(b.c.Now() + second)
		b.control(func(ctl world.Control) error {
			return errors.Join(ctl.Kill(0), ctl.PowerOff([]int{0}, world.Sag{}), ctl.Start(0))
		})
		first := b.files()
		if first["a"] != "unsynced" {
			lost++
		}
		b.control(func(ctl world.Control) error { return errors.Join(ctl.PowerOff([]int{0}, world.Sag{}), ctl.Start(0)) })
		if again := b.files(); !maps.Equal(first, again) {
			t.Errorf("what had survived once was lost later: %v, then %v", first, again)
		}
		b.close()
	}
	if lost == 0 || lost == 50 {
		t.Errorf("lost in %d of 50 runs", lost)
	}
}

// Appends are fast, syncs are not, and one waits for the other.
func TestDiskTakesTime(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	c := deploy(t, sim.Config{}, 1, 1, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, _ []byte) {
			began := env.Mono()
			note := func(error) { took = append(took, time.Duration(env.Mono()-began)) }
			env.Disk().Append("a", []byte("x"), note)
			env.Disk().Sync("a", note)
			env.Disk().Append("a", []byte("x"), note)
		}}
	})
	w := c.AddClient(0, ask)
	c.Start(w, history.Op{})
	settle(c)
	if len(took) != 3 || took[0] > 200*time.Microsecond || took[1] < 250*time.Microsecond || took[2] < took[1]+15*time.Microsecond {
		t.Errorf("completed after %v", took)
	}
}
