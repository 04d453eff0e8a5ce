// Package faulttest is the suite that the faults of every world pass.
//
// It injects every kind of fault with all its shapes and targets, and watches
// a cluster of observers (see [Boot]) through its own eyes: through clients that
// ask them what they hear, what their clocks show, how often they were started
// and what is on their disks. None of it goes through the control with which
// faults are injected and witnessed. So four things are told apart:
//
//   - the fault is there: what was aimed at is seen to be hit;
//   - nothing else is: nodes, links and clocks that were not aimed at are a
//     control group, and behave as ever;
//   - it is gone after it was healed, and leaves the traces that it should: a
//     node that was killed has a new life, one that was paused has not;
//   - the witness says the same: confirmed, exercised, healed.
//
// A world runs it in one test:
//
//	faulttest.Run(t, faults, func(t *testing.T, nodes int) world.Cluster { … })
package faulttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// Nodes is the size of the clusters that the suite asks for.
const Nodes = 5

// Case is a fault with some parameters.
type Case struct {
	Fault  nemesis.Fault
	Params map[string]string
}

// Name is the kind of the fault and its parameters.
func (c Case) Name() string {
	name := c.Fault.Kind
	for _, p := range c.Fault.Params {
		if v, ok := c.Params[p.Name]; ok {
			name += " " + p.Name + "=" + v
		}
	}
	return name
}

// Cases returns what the suite does with a fault: every shape of a partition,
// every set of targets, jumps in both directions and a drift, everything that can
// become of packets and every choice of links.
func Cases(f nemesis.Fault) []Case {
	var cases []Case
	vary := func(name string, more map[string]string, values ...string) {
		for _, v := range values {
			params := map[string]string{name: v}
			for k, w := range more {
				params[k] = w
			}
			cases = append(cases, Case{f, params})
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(f.Params, func(p nemesis.Param) bool { return p.Name == name })
	}
	switch {
	case has("links"):
		bad := map[string]string{"delay": "200ms", "jitter": "20ms", "loss": "40%", "dup": "40%", "reorder": "40%", "behind": "500ms"}
		bad["links"] = "node"
		vary("kind", bad, "delay", "loss", "dup", "reorder", "storm")
		bad["kind"] = "delay"
		delete(bad, "links")
		vary("links", bad, "link", "leader", "all", "clients")
	case has("shape"):
		vary("shape", nil, "one", "leader", "halves", "majority", "bridge", "ring", "one-way")
	case has("offset"):
		vary("offset", map[string]string{"targets": "one"}, "1h", "-90s", "300ms")
		vary("targets", map[string]string{"offset": "10s", "drift": "100ms"}, "minority", "all")
	case has("targets"):
		vary("targets", nil, "one", "leader", "minority", "majority", "all")
	default:
		cases = append(cases, Case{Fault: f})
	}
	return cases
}

// Run runs the suite. deploy starts a cluster of so many nodes that boot with
// [Boot], with time limits of operations of about a second; it closes it at the
// end of the test.
func Run(t *testing.T, faults []nemesis.Fault, deploy func(t *testing.T, nodes int) world.Cluster) {
	for _, f := range faults {
		for _, c := range Cases(f) {
			t.Run(c.Name(), func(t *testing.T) {
				s := newSuite(t, c, deploy(t, Nodes))
				s.run(c)
			})
		}
	}
}

// suite is one case on its cluster.
type suite struct {
	t       *testing.T
	c       world.Cluster
	workers []world.Worker
	runner  *nemesis.Runner
	shouts  int
}

func newSuite(t *testing.T, c Case, cluster world.Cluster) *suite {
	t.Helper()
	use, err := nemesis.NewUse(c.Fault, c.Params, Nodes)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{t: t, c: cluster, runner: nemesis.NewRunner([]nemesis.Use{use}, choice.New(1))}
	for n := range Nodes {
		s.workers = append(s.workers, cluster.AddClient(n, call))
	}
	return s
}

// call sends the text of an operation to the client's own node. The answer is
// its result, and whatever goes wrong its error.
func call(env client.Env, op history.Op) history.Op {
	answer, err := env.Call(env.Node(), []byte(op.Value.Text()))
	if err != nil {
		return client.Fail(op, err.Error())
	}
	return client.OK(op, history.String(string(answer)))
}

func (s *suite) run(c Case) {
	s.t.Helper()
	before := s.waitHealthy()
	s.notes()
	hit := s.step(nemesis.Step{ID: 1, Kind: c.Fault.Kind})
	if got := hit.Value.Get("witness").Text(); got != string(history.Confirmed) || hit.Error != "" {
		s.t.Errorf("the witness says %s, error %q: %v", got, hit.Error, hit.Value)
	}
	during := s.observe()
	s.compare(c, hit.Value, before, during)
	if c.Fault.Needs == world.Packet {
		s.compareBursts(c, hit.Value)
	}
	healed := s.step(nemesis.Step{ID: 1, Kind: c.Fault.Kind, Heal: true})
	if exercised, _ := healed.Value.Get("exercised").Bool(); !exercised {
		s.t.Errorf("the observers met the fault, but it is not exercised: %v", healed.Value)
	}
	if back, _ := healed.Value.Get("evidence").Get("after").Get("healed").Bool(); !back || healed.Error != "" {
		s.t.Errorf("not seen to be healed, error %q: %v", healed.Error, healed.Value)
	}
	s.traces(c, hit.Value, before, s.waitHealthy())
}

// step has the nemesis take a step and returns how it ended.
func (s *suite) step(step nemesis.Step) (done history.Op) {
	s.t.Helper()
	err := s.c.Do(func(ctl world.Control) error {
		done = s.runner.Invoke(ctl, step.Op(), func(history.Op) {})
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// sight is what was seen of a node from outside.
type sight struct {
	alive bool
	view
	ahead time.Duration // its wall clock before that of the suite
	born  time.Duration // when its life began, on the clock of the suite
}

// answer is what a node said, and when that was.
type answer struct {
	ok   bool
	text string
	at   int64
}

// ask has clients ask their nodes, all at once, and returns the answers.
func (s *suite) ask(text string) (answers [Nodes]answer) {
	s.t.Helper()
	for _, w := range s.workers {
		s.c.Start(w, history.Op{Process: history.Process(w), F: "ask", Value: history.String(text)})
	}
	for range s.workers {
		e, ok := s.c.Next(s.c.Now() + int64(10*time.Second))
		if !ok || e.Died {
			s.t.Fatalf("asking all nodes to %s: %+v, %v", text, e, ok)
		}
		answers[slices.Index(s.workers, e.Worker)] = answer{e.Op.Type == history.OK, e.Op.Value.Text(), e.Time}
	}
	return answers
}

// settle is how long a message may be under way.
const settle = 300 * time.Millisecond

// observe has all nodes shout and tells what each of them sees then.
func (s *suite) observe() (seen [Nodes]sight) {
	s.t.Helper()
	s.shouts++
	s.ask(fmt.Sprintf("shout %d", s.shouts))
	s.c.Next(s.c.Now() + int64(settle))
	for n, a := range s.ask("look") {
		if seen[n].alive = a.ok; !a.ok {
			continue
		}
		if err := json.Unmarshal([]byte(a.text), &seen[n].view); err != nil {
			s.t.Fatal(err)
		}
		seen[n].ahead = time.Duration(seen[n].Wall - a.at)
		seen[n].born = time.Duration(a.at - seen[n].Uptime)
	}
	return seen
}

// hears reports whether one node heard the last shout of another.
func (s *suite) hears(seen [Nodes]sight, from, to int) bool { return seen[to].Heard[from] == s.shouts }

// waitHealthy waits until everybody answers and hears everybody else.
func (s *suite) waitHealthy() [Nodes]sight {
	s.t.Helper()
	var why string
	for deadline := s.c.Now() + int64(20*time.Second); s.c.Now() < deadline; {
		seen := s.observe()
		if why = s.unhealthy(seen); why == "" {
			return seen
		}
	}
	s.t.Fatal("the cluster is not healthy: " + why)
	return [Nodes]sight{}
}

func (s *suite) unhealthy(seen [Nodes]sight) string {
	for n := range seen {
		if !seen[n].alive {
			return name(n) + " does not answer"
		}
	}
	for from := range seen {
		for to := range seen {
			if from != to && !s.hears(seen, from, to) {
				return fmt.Sprintf("%s does not hear %s", name(to), name(from))
			}
		}
	}
	return ""
}

// notes has every node write to its disk.
func (s *suite) notes() {
	s.t.Helper()
	for n, a := range s.ask("note") {
		if !a.ok {
			s.t.Fatalf("%s could not write", name(n))
		}
	}
}

// compare holds what was seen under the fault against what was aimed at.
func (s *suite) compare(c Case, aim history.Value, before, during [Nodes]sight) {
	s.t.Helper()
	cut, bad := texts(aim.Get("cut")), texts(aim.Get("links"))
	down := c.Fault.Needs == world.Kill || c.Fault.Needs == world.Pause || c.Fault.Needs == world.Power
	for n := range during {
		hit := aimed(aim, n)
		if during[n].alive == (hit && down) {
			s.t.Errorf("%s answers: %v, aimed at: %v", name(n), during[n].alive, hit)
		}
		if !during[n].alive {
			continue
		}
		if c.Params["links"] != "clients" { // who see the clocks of their nodes late
			s.compareClock(c, aim, n, during[n].ahead-before[n].ahead)
		}
		for from := range during {
			link := name(from) + ">" + name(n)
			if slices.Contains(bad, link) {
				continue // a single message tells nothing
			}
			if want := !slices.Contains(cut, link) && during[from].alive; from != n && s.hears(during, from, n) != want {
				s.t.Errorf("a message on %s arrives: %v, want %v; cut: %v", link, !want, want, cut)
			}
		}
	}
}

func texts(list history.Value) []string {
	var all []string
	for _, v := range list.Elems() {
		all = append(all, v.Text())
	}
	return all
}

// burst is how many packets a burst has.
const burst = 400

// compareBursts has all nodes send many packets to all others, and expects that
// they fare as was planned on the links that were aimed at, and well elsewhere.
func (s *suite) compareBursts(c Case, aim history.Value) {
	s.t.Helper()
	before := s.observe()
	began := s.c.Now()
	s.ask(fmt.Sprintf("burst %d", burst))
	asked := time.Duration(s.c.Now() - began)
	s.c.Next(s.c.Now() + int64(3*time.Second))
	after, bad := s.observe(), texts(aim.Get("links"))
	for to := range after {
		for from := range after {
			if from == to {
				continue
			}
			link := name(from) + ">" + name(to)
			if why := compareBurst(aim, slices.Contains(bad, link), before[to].Tally[from], after[to].Tally[from]); why != "" {
				s.t.Errorf("a burst on %s, aimed at: %v: %s", link, slices.Contains(bad, link), why)
			}
		}
	}
	if slow := asked > 150*time.Millisecond; slow != (c.Params["links"] == "clients") {
		s.t.Errorf("the slowest of the clients had its answer after %v", asked)
	}
}

// compareBurst says what is wrong with a burst, of which about a tenth may come
// twice on the network of the suite itself.
func compareBurst(aim history.Value, hit bool, before, after tally) string {
	got, twice, overtaken := after.Got-before.Got, after.Twice-before.Twice, after.Overtaken-before.Overtaken
	took := time.Duration(after.Took-before.Took) / time.Duration(max(1, got))
	planned := func(what string) bool {
		n, ok := aim.Get("packets").Get(what).Int()
		d, _ := time.ParseDuration(aim.Get("packets").Get(what).Text())
		return hit && (ok && n > 0 || d > 0)
	}
	for _, c := range []struct {
		what string
		seen bool
	}{
		{"loss", got < burst*3/4},
		{"dup", twice > got/4},
		{"reorder", overtaken > got/5},
		{"delay", took > 175*time.Millisecond},
	} {
		if c.seen != planned(c.what) {
			return fmt.Sprintf("%s is seen: %v, planned: %v; %d came, %d twice, %d overtaken, after %v", c.what, c.seen, planned(c.what), got, twice, overtaken, took)
		}
	}
	return ""
}

// compareClock expects that a node's clock went by what was planned, or that it
// did not move.
func (s *suite) compareClock(c Case, aim history.Value, n int, moved time.Duration) {
	s.t.Helper()
	want, tolerance := time.Duration(0), 100*time.Millisecond
	if c.Fault.Needs == world.Clock && aimed(aim, n) {
		var err error
		if want, err = time.ParseDuration(aim.Get("offsets").Get(name(n)).Text()); err != nil {
			s.t.Fatal(err)
		}
		if c.Params["drift"] != "" {
			tolerance += settle // the drift of some seconds
		}
	}
	if (moved - want).Abs() > tolerance {
		s.t.Errorf("the clock of %s moved by %v, want %v", name(n), moved, want)
	}
}

// traces looks at what a fault leaves behind when it is over.
func (s *suite) traces(c Case, aim history.Value, before, after [Nodes]sight) {
	s.t.Helper()
	lost := false
	for n := range after {
		hit := aimed(aim, n)
		died := hit && (c.Fault.Needs == world.Kill || c.Fault.Needs == world.Power)
		if (after[n].Life != before[n].Life) != died {
			s.t.Errorf("%s is in life %d, was in %d; aimed at: %v", name(n), after[n].Life, before[n].Life, hit)
		}
		if later := after[n].born-before[n].born > 100*time.Millisecond; later != died {
			s.t.Errorf("%s lives since %v, before it was since %v; aimed at: %v", name(n), after[n].born, before[n].born, hit)
		}
		if moved := after[n].ahead - before[n].ahead; moved.Abs() > 100*time.Millisecond {
			s.t.Errorf("the clock of %s is still off by %v", name(n), moved)
		}
		if after[n].Synced != before[n].Synced+1 {
			s.t.Errorf("%s lost a note that it had synced: it has %d, had %d before it", name(n), after[n].Synced, before[n].Synced)
		}
		kept := after[n].Loose == before[n].Loose+1
		lost = lost || !kept
		if !kept && !(hit && c.Fault.Needs == world.Power) {
			s.t.Errorf("%s lost a note that was in the page cache, without a loss of power", name(n))
		}
	}
	if c.Params["targets"] == "all" && c.Fault.Needs == world.Power && !lost {
		s.t.Error("no node lost what was not synced: their power was not cut")
	}
}

func aimed(aim history.Value, n int) bool {
	return slices.ContainsFunc(aim.Get("nodes").Elems(), func(v history.Value) bool { return v.Text() == name(n) })
}

func name(n int) string { return actor.NodeID(n).String() }
