package files_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	checker "github.com/ordeal-dev/ordeal/checkers/files"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/files"
)

// trial is a run of a workload against the filesystem, written out: ten clients,
// five nodes, and one kind of fault, a window of 4 s every 7 s.
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
	by      map[string]int // operations that were ok
}

func (tr trial) run(t testing.TB) ended {
	t.Helper()
	target := files.New()
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
	d := &driver{workload: tr.workload, cluster: cluster, out: ended{history: &history.History{}, by: map[string]int{}}, draw: src.Stream("load")}
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
		for ctl.Sleep(3 * time.Second); tr.fault != nil; ctl.Sleep(3 * time.Second) {
			heal, err := tr.fault(ctl, draw)
			if err != nil {
				panic(err)
			}
			ctl.Sleep(4 * time.Second)
			if err := heal(); err != nil {
				panic(err)
			}
		}
		return op
	}
}

type driver struct {
	workload string
	cluster  world.Cluster
	draw     *choice.Stream
	out      ended
	value    int64
	names    []history.Value
}

// start begins the next operation of a process.
func (d *driver) start(w world.Worker, p history.Process) {
	d.value++
	op := history.Op{Process: p, Type: history.Invoke}
	if d.workload == "append" {
		op.F, op.Key = choice.Pick(d.draw, []string{"append", "append", "sync", "read"}), history.Int(int64(w)%5)
		if op.F == "append" {
			op.Value = history.Int(d.value)
		}
	} else {
		d.choose(&op)
	}
	d.cluster.Start(w, d.record(op))
}

func (d *driver) choose(op *history.Op) {
	name := history.String("n" + strconv.FormatInt(d.value, 10))
	op.F = choice.Pick(d.draw, []string{"read", "read", "write", "write", "create", "rename", "list"})
	if op.F == "rename" && len(d.names) == 0 {
		op.F = "create"
	}
	switch op.F {
	case "read", "write":
		op.Key = history.Int(d.draw.Int64N(4))
		if op.F == "write" {
			op.Value = history.Int(d.value)
		}
	case "create":
		op.Value = name
	case "rename":
		op.Value = history.List(d.names[0], name)
		d.names = d.names[1:]
	}
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
			op := d.record(e.Op)
			if op.Type == history.OK {
				d.out.by[op.F]++
				if op.F == "create" {
					d.names = append(d.names, op.Value)
				}
			}
			if op.Type == history.Info {
				op.Process += 10
			}
			d.start(e.Worker, op.Process)
		}
	}
}

// cut isolates a node, the active name node or another one.
func cut(ctl world.Control, draw *choice.Stream) (func() error, error) {
	victim := draw.IntN(ctl.Nodes())
	for n := range ctl.Nodes() {
		if s, err := ctl.Status(n); err == nil && s.Role == "leader" && draw.Chance(1, 2) {
			victim = n
		}
	}
	var links []world.Link
	for n := range ctl.Nodes() {
		if n != victim {
			links = append(links, world.Link{From: n, To: victim}, world.Link{From: victim, To: n})
		}
	}
	return func() error { return ctl.Cut(nil) }, ctl.Cut(links)
}

// powerCut takes the power from some nodes.
func powerCut(ctl world.Control, draw *choice.Stream) (func() error, error) {
	nodes := draw.Perm(ctl.Nodes())[:choice.Pick(draw, []int{1, 1, 3, 5})]
	for _, n := range nodes {
		if err := ctl.PowerOff(n); err != nil {
			return nil, err
		}
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

// anomalies judges a history, and returns what was found.
func (tr trial) anomalies(t testing.TB, e ended) []string {
	t.Helper()
	judge := checker.New(checker.Options{})
	if tr.workload == "append" {
		judge = checker.NewAppend(checker.AppendOptions{Durable: true})
	}
	res := judge.Check(context.Background(), e.history)
	if res.Verdict == checkers.Unknown {
		t.Fatalf("nothing to judge: %s", res.Reason)
	}
	var names []string
	for _, a := range res.Anomalies {
		names = append(names, a.Name)
	}
	return names
}

// TestKeepsItsPromise: without a bug there is nothing to find, and something is
// done of everything.
func TestKeepsItsPromise(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"none": nil, "partition": cut, "power": powerCut} {
		for workload, kinds := range map[string][]string{"files": {"read", "write", "create", "rename", "list"}, "append": {"append", "sync", "read"}} {
			t.Run(name+"/"+workload, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(2) {
					tr := trial{workload: workload, seed: seed, length: 14 * time.Second, fault: f, settings: map[string]string{"snapshot-every": "100"}}
					e := tr.run(t)
					if bad := tr.anomalies(t, e); len(bad) > 0 || len(e.died) > 0 {
						t.Errorf("seed %d: %v, died: %v", seed, bad, e.died)
					}
					for _, kind := range kinds {
						if e.by[kind] < 30 {
							t.Errorf("seed %d: too little was done: %v", seed, e.by)
						}
					}
				}
			})
		}
	}
}

// TestSeededBugsAreFound: what the list of bugs says is so, by and large.
func TestSeededBugsAreFound(t *testing.T) {
	t.Parallel()
	for id, c := range map[string]struct {
		workload string
		fault    fault
	}{"FS9": {"append", powerCut}, "FS12": {"append", cut}} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(files.New().Bugs(), func(b targets.Bug) bool { return b.ID == id })
			want := files.New().Bugs()[i].Anomaly
			for seed := range uint64(15) {
				tr := trial{workload: c.workload, seed: seed, length: 30 * time.Second, fault: c.fault, bugs: []string{id}}
				if slices.Contains(tr.anomalies(t, tr.run(t)), want) {
					t.Logf("found by seed %d", seed)
					return
				}
			}
			t.Error("not found")
		})
	}
}

// TestWeakSettings: who asks the nearest replica, or the nearest name node, is
// answered, and now and then with what is behind.
func TestWeakSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ setting, value, workload string }{{"read", "any", "append"}, {"standby-reads", "on", "files"}} {
		found := false
		for seed := uint64(0); seed < 10 && !found; seed++ {
			tr := trial{workload: c.workload, seed: seed, length: 20 * time.Second, fault: cut, settings: map[string]string{c.setting: c.value}}
			found = len(tr.anomalies(t, tr.run(t))) > 0
		}
		if !found {
			t.Errorf("%s=%s keeps the strong promise as well", c.setting, c.value)
		}
	}
}

// TestSameSeedSameBytes: everything that was delivered is the same again.
func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{"files", "append"} {
		tr := trial{workload: workload, seed: 5, length: 15 * time.Second, fault: powerCut}
		first, second := tr.run(t), tr.run(t)
		if first.digest != second.digest || first.digest == "" {
			t.Errorf("%s: digests %q and %q", workload, first.digest, second.digest)
		}
		tr.seed++
		if third := tr.run(t); third.digest == first.digest {
			t.Errorf("%s: another seed gives the same digest", workload)
		}
	}
}
