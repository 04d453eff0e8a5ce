package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/checkers/set"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/store"
)

// trial is a run of a workload against the store, written out: ten clients,
// five nodes, and one kind of fault, a window of 5 s every 10 s.
type trial struct {
	workload string
	settings map[string]string
	bugs     []string
	seed     uint64
	length   time.Duration
	fault    fault
}

// fault breaks something, and returns what mends it.
type fault func(ctl world.Control, draw *choice.Stream) (heal func() error, err error)

// ended is what came of a trial.
type ended struct {
	history *history.History
	digest  string
	died    []string
	by      map[history.Type]int
}

func (tr trial) run(t testing.TB) ended {
	t.Helper()
	target := store.New()
	settings, err := targets.Fill(target, tr.settings)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := target.Boot(settings, tr.bugs)
	if err != nil {
		t.Fatal(err)
	}
	newClient, err := target.Client(settings, tr.workload)
	if err != nil {
		t.Fatal(err)
	}
	src := choice.New(tr.seed)
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{Nodes: 5, Boot: boot, Choices: src, OpTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close(context.Background())
	d := &driver{set: tr.workload == "set", cluster: cluster, out: ended{history: &history.History{}, by: map[history.Type]int{}}, draw: src.Stream("load")}
	for i := range 10 {
		d.start(cluster.AddClient(i%5, resting(newClient, src.Stream("rest", uint64(i)))), history.Process(i))
	}
	cluster.Start(cluster.AddNemesis(tr.windows(src.Stream("fault"))), history.Op{Process: history.Nemesis, Type: history.Info})
	d.drive(int64(tr.length))
	d.out.digest = cluster.Digest()
	return d.out
}

// resting gives a client time to rest before each operation, and makes a new
// one after an operation that nobody knows the end of.
func resting(newClient func() client.Client, draw *choice.Stream) func(client.Env, history.Op) history.Op {
	c := newClient()
	return func(env client.Env, op history.Op) history.Op {
		done := c.Invoke(env, op)
		if done.Type == history.Info {
			c = newClient()
		}
		env.Sleep(time.Duration(draw.Int64N(int64(150 * time.Millisecond))))
		return done
	}
}

// windows is the nemesis of a trial.
func (tr trial) windows(draw *choice.Stream) func(world.Control, history.Op) history.Op {
	return func(ctl world.Control, op history.Op) history.Op {
		for ctl.Sleep(3 * time.Second); tr.fault != nil; ctl.Sleep(5 * time.Second) {
			heal, err := tr.fault(ctl, draw)
			if err != nil {
				panic(err)
			}
			ctl.Sleep(5 * time.Second)
			if err := heal(); err != nil {
				panic(err)
			}
		}
		return op
	}
}

type driver struct {
	set     bool
	cluster world.Cluster
	draw    *choice.Stream
	out     ended
	value   int64
}

// start begins the next operation of a process. Its name in the history is
// kept in the operation itself, which the client hands back.
func (d *driver) start(w world.Worker, p history.Process) {
	d.value++
	op := history.Op{Process: p, Type: history.Invoke, F: "read"}
	write, share := "write", int64(50)
	if d.set {
		write, share = "add", 90
	} else {
		op.Key = history.Int(d.draw.Int64N(5))
	}
	if d.draw.Chance(share, 100) {
		op.F, op.Value = write, history.Int(d.value)
	}
	d.cluster.Start(w, d.record(op))
}

func (d *driver) record(op history.Op) history.Op {
	op.Index, op.Time = len(d.out.history.Ops), d.cluster.Now()
	d.out.history.Ops = append(d.out.history.Ops, op)
	return op
}

func (d *driver) drive(until int64) {
	for {
		e, ok := d.cluster.Next(until)
		switch {
		case !ok:
			return
		case e.Died:
			d.out.died = append(d.out.died, fmt.Sprintf("n%d: %s", e.Node+1, e.Cause))
		case e.Op.Process != history.Nemesis:
			d.out.by[e.Op.Type]++
			op := d.record(e.Op)
			if op.Type == history.Info {
				op.Process += 10
			}
			d.start(e.Worker, op.Process)
		}
	}
}

// cutLeader isolates the leader, or n1 if there is none.
func cutLeader(ctl world.Control, _ *choice.Stream) (func() error, error) {
	leader := 0
	for n := range ctl.Nodes() {
		if s, err := ctl.Status(n); err == nil && s.Role == "leader" {
			leader = n
		}
	}
	var cut []world.Link
	for n := range ctl.Nodes() {
		if n != leader {
			cut = append(cut, world.Link{From: n, To: leader}, world.Link{From: leader, To: n})
		}
	}
	return func() error { return ctl.Cut(nil) }, ctl.Cut(cut)
}

// powerCut takes the power from some nodes.
func powerCut(ctl world.Control, draw *choice.Stream) (func() error, error) {
	nodes := draw.Perm(ctl.Nodes())[:choice.Pick(draw, []int{1, 1, 3, 5})]
	if err := ctl.PowerOff(nodes, world.Sag{}); err != nil {
		return nil, err
	}
	return func() error {
		for _, n := range nodes {
			if err := ctl.Start(n); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// anomalies judges a history by one of the checkers, and returns what it found.
func (e ended) anomalies(t testing.TB, workload string) []string {
	t.Helper()
	checker := linear.New(linear.Options{})
	if workload == "set" {
		checker = set.New(set.Options{Linearizable: true})
	}
	res := checker.Check(context.Background(), e.history)
	if res.Verdict == checkers.Unknown {
		t.Fatalf("nothing to judge: %s", res.Reason)
	}
	var names []string
	for _, a := range res.Anomalies {
		names = append(names, a.Name)
	}
	return names
}

// TestKeepsItsPromise: without a bug there is nothing to find.
func TestKeepsItsPromise(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"none": nil, "partition": cutLeader, "power": powerCut} {
		for _, workload := range []string{"register", "set"} {
			t.Run(name+"/"+workload, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(2) {
					tr := trial{workload: workload, seed: seed, length: 20 * time.Second, fault: f, settings: map[string]string{"snapshot-every": "100"}}
					e := tr.run(t)
					if bad := e.anomalies(t, workload); len(bad) > 0 || len(e.died) > 0 {
						t.Errorf("seed %d: %v, died: %v", seed, bad, e.died)
					}
					if e.by[history.OK] < 500 {
						t.Errorf("seed %d: too little was done: %v", seed, e.by)
					}
				}
			})
		}
	}
}

// TestSeededBugsAreFound: what the list of bugs says is so, by and large: the
// fault brings about the anomaly, and the checker has its name for it.
func TestSeededBugsAreFound(t *testing.T) {
	t.Parallel()
	for id, c := range map[string]struct {
		workload string
		fault    fault
	}{"CP1": {"register", cutLeader}, "CP4": {"set", powerCut}} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(15) {
				tr := trial{workload: c.workload, seed: seed, length: time.Minute, fault: c.fault, bugs: []string{id}}
				if slices.Contains(tr.run(t).anomalies(t, c.workload), bug(t, id).Anomaly) {
					t.Logf("found by seed %d", seed)
					return
				}
			}
			t.Error("not found")
		})
	}
}

func bug(t *testing.T, id string) targets.Bug {
	t.Helper()
	for _, b := range store.New().Bugs() {
		if b.ID == id {
			return b
		}
	}
	t.Fatalf("there is no bug %s", id)
	return targets.Bug{}
}

// TestSameSeedSameBytes: everything that was delivered is the same again.
func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	tr := trial{workload: "register", seed: 5, length: 15 * time.Second, fault: powerCut}
	first, second := tr.run(t), tr.run(t)
	if first.digest != second.digest || first.digest == "" {
		t.Errorf("digests %q and %q", first.digest, second.digest)
	}
	tr.seed++
	if third := tr.run(t); third.digest == first.digest {
		t.Error("another seed gives the same digest")
	}
}
