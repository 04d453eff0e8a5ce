package acceptance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// healsWithin is the time in which everything has to heal by itself: a lease of
// three seconds, and what a busy machine needs to notice.
const healsWithin = 5 * time.Second

// dense are faults that follow each other so closely that some are in force at
// most moments.
var dense = []string{
	"--nemesis", "partition,kill,pause,clock",
	"--fault", "partition.after=1s", "--fault", "partition.every=5s", "--fault", "partition.for=3s",
	"--fault", "kill.after=2s", "--fault", "kill.every=5s", "--fault", "kill.for=3s",
	"--fault", "pause.after=3s", "--fault", "pause.every=5s", "--fault", "pause.for=3s",
	"--fault", "clock.after=1500ms", "--fault", "clock.every=5s", "--fault", "clock.for=4s",
}

// moment is when the controller is killed: so long after its run was announced,
// or when so many of its containers have started and none is attached to.
type moment struct {
	after  time.Duration
	starts int
}

func (m moment) String() string {
	if m.starts > 0 {
		return fmt.Sprintf("at start %d", m.starts)
	}
	return m.after.Round(time.Millisecond).String()
}

// moments are chosen at random, but the same ones every time. Every third is
// between a container's start and the first attach.
func moments(n int) []moment {
	draw := rand.New(rand.NewPCG(3, 7))
	all := make([]moment, n)
	for i := range all {
		all[i].after = time.Duration(draw.Int64N(int64(15 * time.Second)))
		if i%3 == 1 {
			all[i] = moment{starts: 1 + draw.IntN(5)}
		}
	}
	return all
}

// A controller that is killed leaves nothing in force, whenever it is, and
// nothing behind that clean does not find; and what it had recorded is judged.
func TestControllerIsKilled(t *testing.T) {
	t.Parallel()
	n := 6
	if os.Getenv("ORDEAL_LONG") != "" {
		n = 20
	}
	for i, m := range moments(n) {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			killAt(t, m, i)
		})
	}
}

func killAt(t *testing.T, m moment, seed int) {
	engine := needEngine(t, 1)
	out := t.TempDir()
	started := watchStarts(t, engine)
	p := start(t, get(t, built.ordeal), runArgs(out, append(dense, "--time", "15s", "--seed", fmt.Sprint(seed))...)...)
	dir := p.runDir(out)
	o := observe(t, engine, dir)
	if m.starts > 0 {
		untilStarts(t, started, filepath.Base(dir), m.starts)
	} else {
		waitFor(p, m.after)
	}
	before := o.look()
	p.signal(syscall.SIGKILL)
	if p.exit() != -1 {
		t.Fatalf("the run had ended before it was killed\n%s\n%s", &p.stdout, &p.stderr)
	}
	servers := hasServers(before)
	took := eventually(t, healsWithin, func() error { return o.healed(servers) })
	t.Logf("seen when it was killed: %v; healed %v later", before, took.Round(time.Millisecond))
	ordeal(t, "clean").mustExit(0)
	nothingLeft(t, engine, dir)
	a := check(t, dir)
	if a.Verdict == "invalid" || servers && m.after > 5*time.Second && a.Ops.OK == 0 {
		t.Errorf("what was recorded is judged %s, with %+v", a.Verdict, a.Ops)
	}
	t.Logf("recorded: %+v, %s", a.Ops, a.Verdict)
}

// hasServers reports whether any node had a server: then all were told to start one.
func hasServers(all []sight) bool {
	n := 0
	for _, s := range all {
		n += s.servers
	}
	return n > 0
}

// waitFor lets a run go on for a while.
func waitFor(p *process, d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.finished:
	}
}

// watchStarts reports the starts of all containers of ours from now on.
func watchStarts(t *testing.T, engine *client.Client) <-chan events.Message {
	t.Helper()
	only := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("event", "start"), filters.Arg("label", labelRun))
	started, _ := engine.Events(t.Context(), events.ListOptions{Filters: only})
	return started
}

// untilStarts waits for the n-th start of a container of a run.
func untilStarts(t *testing.T, started <-chan events.Message, run string, n int) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for n > 0 {
		select {
		case e := <-started:
			if e.Actor.Attributes[labelRun] == run {
				n--
			}
		case <-timeout:
			t.Fatalf("%d starts are missing", n)
		}
	}
}

// A controller that is stopped counts as dead when its lease has ended. When it
// goes on it says what happened, and takes everything down.
func TestControllerIsStopped(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	out := t.TempDir()
	p := start(t, get(t, built.ordeal), runArgs(out, append(dense, "--time", "20s", "--seed", "4")...)...)
	dir := p.runDir(out)
	o := observe(t, engine, dir)
	before := o.untilFaulty(p)
	p.signal(syscall.SIGSTOP)
	took := eventually(t, healsWithin, func() error { return o.healed(true) })
	t.Logf("seen when it was stopped: %v; healed %v later", before, took.Round(time.Millisecond))
	p.signal(syscall.SIGCONT)
	goesOn := time.Now()
	p.mustExit(3)
	t.Logf("ended %v after it went on", time.Since(goesOn).Round(time.Millisecond))
	a := p.answer()
	if said := strings.Join(a.Errors, "\n"); a.Verdict != "harness-error" || !strings.Contains(said, "no heartbeat of the controller within its lease") {
		t.Errorf("verdict %s, errors %q", a.Verdict, said)
	}
	nothingLeft(t, engine, dir)
	if c := check(t, dir); c.Ops.OK == 0 {
		t.Errorf("what was recorded: %+v", c.Ops)
	}
}

// An interrupt heals, judges what there is and reports; the exit code is that
// of the verdict.
func TestInterruptInDocker(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	out := t.TempDir()
	p := start(t, get(t, built.ordeal), runArgs(out, append(dense, "--time", "100s", "--seed", "5")...)...)
	dir := p.runDir(out)
	o := observe(t, engine, dir)
	o.untilFaulty(p)
	p.signal(syscall.SIGINT)
	p.mustExit(0, 2)
	judgeInterrupted(t, p, dir)
	nothingLeft(t, engine, dir)
	for _, w := range openHistory(t, dir).Windows() {
		if w.Healed == 0 {
			t.Errorf("%s %d was not healed", w.Kind, w.ID)
		}
	}
}

// An interrupt while the cluster is being made takes away what there is of it.
func TestInterruptWhileDeploying(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	out := t.TempDir()
	started := watchStarts(t, engine)
	p := start(t, get(t, built.ordeal), runArgs(out, "--time", "20s", "--seed", "11")...)
	dir := p.runDir(out)
	untilStarts(t, started, filepath.Base(dir), 1)
	p.signal(syscall.SIGINT)
	p.mustExit(3)
	if said := p.answer().Error; !strings.Contains(said, "broken off while the cluster was being made") {
		t.Errorf("said %q", said)
	}
	nothingLeft(t, engine, dir)
}

// Who interrupts twice is let go at once, and the nodes heal by themselves.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	out := t.TempDir()
	p := start(t, get(t, built.ordeal), runArgs(out, append(dense, "--time", "100s", "--seed", "6")...)...)
	dir := p.runDir(out)
	o := observe(t, engine, dir)
	o.untilFaulty(p)
	p.signal(syscall.SIGINT)
	eventually(t, healsWithin, func() error { // two that nobody has heard yet are one
		if !strings.Contains(p.stderr.String(), "interrupted; healing") {
			return errors.New("the first has not been heard")
		}
		return nil
	})
	p.signal(syscall.SIGINT)
	took := eventually(t, 2*time.Second, func() error {
		if !p.ended() {
			return errors.New("it goes on")
		}
		return nil
	})
	t.Logf("left after %v", took)
	p.mustExit(130)
	eventually(t, healsWithin, func() error { return o.healed(true) })
	ordeal(t, "clean").mustExit(0)
	nothingLeft(t, engine, dir)
	check(t, dir)
}

// A server that is killed by nobody's order makes the run invalid, and the
// report says how it died.
func TestServerIsKilledFromOutside(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	out := t.TempDir()
	p := start(t, get(t, built.ordeal), runArgs(out, "--time", "6s", "--seed", "7")...)
	dir := p.runDir(out)
	o := observe(t, engine, dir)
	var victim int
	eventually(t, 20*time.Second, func() error {
		h, err := os.Stat(filepath.Join(dir, "history.jsonl.zst"))
		if err != nil || h.Size() == 0 {
			return errors.New("the load has not begun")
		}
		if victim = o.pids()["n3"]; victim == 0 {
			return errors.New("n3 has no server")
		}
		return nil
	})
	must(t, syscall.Kill(victim, syscall.SIGKILL))
	p.mustExit(1)
	mustExplain(t, p.answer(), "n3", "signal: killed")
	nothingLeft(t, engine, dir)
}

// mustExplain wants the death of a node to be why a run is invalid.
func mustExplain(t *testing.T, a answer, node, cause string) {
	t.Helper()
	if a.Verdict != "invalid" {
		t.Errorf("verdict %s", a.Verdict)
	}
	for _, an := range a.Checkers["health"].Anomalies {
		if strings.Contains(an.Explanation, node) && strings.Contains(an.Explanation, cause) {
			return
		}
	}
	t.Errorf("no word of %s and %q among %+v", node, cause, a.Checkers["health"].Anomalies)
}
