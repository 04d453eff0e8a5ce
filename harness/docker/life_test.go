package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// leftovers counts what there is of a run on this host.
func leftovers(t *testing.T, e *engine, run string) int {
	t.Helper()
	f, err := inventory(context.Background(), e, LabelRun+"="+run)
	must(t, err)
	return len(f.containers) + len(f.networks) + len(f.volumes)
}

// Two runs on one host have addresses of their own, and the end of one is
// nothing to the other.
func TestTwoClusters(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	var a, b *cluster
	t.Run("Together", func(t *testing.T) {
		deployInto(t, &a, "a")
		deployInto(t, &b, "b")
	})
	if t.Failed() {
		return
	}
	if a.subnet == b.subnet {
		t.Errorf("both have %v", a.subnet)
	}
	untilReady(t, a)
	untilReady(t, b)
	must(t, a.Close(t.Context()))
	if n := leftovers(t, e, a.spec.Run); n != 0 {
		t.Errorf("%d things were left behind", n)
	}
	hears(t, b, 0, 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, b.Close(ended)) // a run that is broken off is taken down as well
	if n := leftovers(t, e, b.spec.Run); n != 0 {
		t.Errorf("%d things were left behind", n)
	}
}

// deployInto deploys in a parallel subtest a cluster that outlives it.
func deployInto(t *testing.T, c **cluster, name string) {
	run := runName(t) + "-" + name
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		deployed, err := testWorld(t).Deploy(t.Context(), world.Spec{Run: run, Nodes: 2, OpTimeout: time.Second})
		must(t, err)
		*c = deployed.(*cluster)
	})
}

// A deployment that fails half-way takes away what it made.
func TestDeployFails(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, run := testWorld(t), runName(t)
	go func() { // break it off when the first container is there
		defer cancel()
		for ctx.Err() == nil {
			if list, err := e.containers(ctx, LabelRun+"="+run); err != nil || len(list) > 0 {
				return
			}
		}
	}()
	if c, err := w.Deploy(ctx, world.Spec{Run: run, Nodes: 2}); err == nil {
		t.Errorf("deployed, although broken off: %v", c.Close(context.Background()))
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("broken off with %v", err)
	}
	if n := leftovers(t, e, run); n != 0 {
		t.Errorf("%d things were left behind", n)
	}
}

// controllerProcess is a controller that can be killed.
type controllerProcess struct {
	*exec.Cmd
	run string
	out *bufio.Scanner
}

func startController(t *testing.T) controllerProcess {
	t.Helper()
	path, err := testBinary()
	must(t, err)
	p := controllerProcess{Cmd: exec.Command(path, "controller", runName(t)), run: runName(t)}
	p.Stderr = t.Output()
	out, err := p.StdoutPipe()
	must(t, err)
	p.out = bufio.NewScanner(out)
	must(t, p.Start())
	t.Cleanup(p.kill)
	return p
}

func (p controllerProcess) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// until waits for a line of the controller.
func (p controllerProcess) until(t *testing.T, line string) {
	t.Helper()
	for p.out.Scan() {
		if p.out.Text() == line {
			return
		}
	}
	t.Fatalf("the controller ended before it said %q", line)
}

// ask makes a call to a node of the run, with nothing but its address.
func (p controllerProcess) ask(t *testing.T, e *engine, id int, words string) (string, error) {
	networks, err := e.networks(t.Context(), LabelRun+"="+p.run)
	must(t, err)
	if len(networks) != 1 {
		t.Fatalf("%d networks", len(networks))
	}
	s := subnet(netip.MustParsePrefix(networks[0].subnets[0]))
	conn := node.NewConn(netip.AddrPortFrom(s.node(id), clientPort).String())
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	answer, err := conn.Call(ctx, []byte(words))
	return string(answer), err
}

// healed looks from outside whether a node is reached, runs, and has the right time.
func (p controllerProcess) healed(t *testing.T, e *engine, id int) error {
	answer, err := p.ask(t, e, id, "wall")
	if err != nil {
		return fmt.Errorf("n%d: %w", id+1, err)
	}
	wall, err := strconv.ParseInt(answer, 10, 64)
	must(t, err)
	if off := time.Until(time.Unix(0, wall)); off.Abs() > time.Second {
		return fmt.Errorf("n%d: clock off by %v", id+1, off)
	}
	return nil
}

// A controller that is killed leaves no fault behind, and what it leaves of its
// nodes is removed by Clean: but not while it lives.
func TestControllerDies(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	p := startController(t)
	p.until(t, "faults injected")
	for id := range 2 {
		if err := p.healed(t, e, id); err == nil {
			t.Errorf("no fault is seen on n%d", id+1)
		}
	}
	report, err := Clean(t.Context(), CleanOptions{Run: p.run})
	must(t, err)
	if len(report.Containers)+len(report.Networks) != 0 || !slices.Contains(report.Live, p.run) {
		t.Errorf("clean took something from a run at work: %+v", report)
	}
	p.kill()
	killed := time.Now()
	for id := range 2 {
		eventually(t, func() error { return p.healed(t, e, id) })
	}
	if took := time.Since(killed); took > 5*time.Second {
		t.Errorf("faults healed %v after the controller was killed", took)
	} else {
		t.Logf("faults healed %v after the controller was killed", took)
	}
	checkCleaned(t, e, p.run)
}

// checkCleaned cleans up after a run whose controller is dead. Somebody else
// may be cleaning too, so it does not matter who removed what.
func checkCleaned(t *testing.T, e *engine, run string) {
	t.Helper()
	_, err := Clean(t.Context(), CleanOptions{Run: run})
	must(t, err)
	if n := leftovers(t, e, run); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

// A controller that hangs counts as dead after its lease.
func TestControllerHangs(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	p := startController(t)
	p.until(t, "faults injected")
	must(t, p.Process.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	for id := range 2 {
		eventually(t, func() error { return p.healed(t, e, id) })
	}
	if took := time.Since(stopped); took > 5*time.Second {
		t.Errorf("faults healed %v after the controller was stopped", took)
	} else {
		t.Logf("faults healed %v after the controller was stopped", took)
	}
	p.kill()
	checkCleaned(t, e, p.run)
}

// What a controller has made that was killed before it attached to anything is
// removed as well.
func TestControllerDiesEarly(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	p := startController(t)
	p.until(t, "deploying")
	eventually(t, func() error {
		if list, err := e.containers(t.Context(), LabelRun+"="+p.run); err != nil || len(list) == 0 {
			return fmt.Errorf("no container yet: %w", err)
		}
		return nil
	})
	p.kill()
	eventually(t, func() error { // the engine may be finishing what it was told to do
		_, err := Clean(t.Context(), CleanOptions{Run: p.run})
		must(t, err)
		if leftovers(t, e, p.run) != 0 {
			return errors.New("something is left")
		}
		return nil
	})
}

// An image of an older build goes when a newer one is made.
func TestOldImages(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	path, err := testBinary()
	must(t, err)
	content, err := os.ReadFile(path)
	must(t, err)
	var builds []program
	for _, name := range []string{"old", "new"} {
		p := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(p, append(slices.Clone(content), name...), 0o755))
		b, err := findBinary(p)
		must(t, err)
		builds = append(builds, b)
		err = ensureImage(t.Context(), e, b)
		must(t, err)
	}
	there, err := e.hasImage(t.Context(), builds[0].image())
	must(t, err)
	if there {
		t.Error("the image of the old build is still there")
	}
	_, err = removeImages(t.Context(), e, func(im imageInfo) bool { return im.binary == builds[1].hash })
	must(t, err)
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := testWorld(t)
	for _, seen := range w.Examine(t.Context()) {
		t.Logf("%+v", seen)
		must(t, seen.Err)
	}
	for _, c := range []world.Capability{world.Partition, world.Kill, world.Pause, world.Clock} {
		must(t, w.Support(t.Context(), c))
	}
	for _, c := range []world.Capability{world.Power, world.Packet, "gravity"} {
		if err := w.Support(t.Context(), c); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", c, err)
		}
	}
}

func TestSpecRefused(t *testing.T) {
	t.Parallel()
	w := New(Config{})
	for _, s := range []world.Spec{
		{Run: "r", Nodes: 0},
		{Run: "r", Nodes: 1000},
		{Run: "", Nodes: 1},
		{Run: "a b", Nodes: 1},
		{Run: strings.Repeat("x", 200), Nodes: 1},
	} {
		if _, err := w.Deploy(t.Context(), s); err == nil || errors.Is(err, world.ErrEnvironment) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
