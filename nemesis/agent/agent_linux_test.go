package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/internal/netnstest"
	"github.com/ordeal-dev/ordeal/internal/nft"
	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/internal/vdso"
)

// The test binary is executed again in each of these roles.
const (
	roleEnv    = "ORDEAL_TEST_ROLE"
	configEnv  = "ORDEAL_TEST_CONFIG"
	targetPort = 7000
)

func TestMain(m *testing.M) {
	roles := map[string]func(){"agent": agentMain, "bridge": bridgeMain, "controller": controllerMain, "server": serverMain}
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		role()
		return
	}
	os.Exit(m.Run())
}

func agentMain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var cfg Config
	if err := json.Unmarshal([]byte(os.Getenv(configEnv)), &cfg); err != nil {
		fatal(err)
	}
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := Serve(ctx, cfg); err != nil {
		fatal(err)
	}
}

func bridgeMain() {
	if err := Bridge(context.Background(), "", os.Stdin, os.Stdout); err != nil {
		fatal(err)
	}
}

// controllerMain attaches over the socket itself, injects every fault, says so,
// and lives on until it is killed or stopped.
func controllerMain() {
	conn, err := net.Dial("unix", DefaultSocket)
	if err != nil {
		fatal(err)
	}
	ctx := context.Background()
	c, err := Dial(ctx, conn)
	if err != nil {
		fatal(err)
	}
	if err := injectAll(ctx, c); err != nil {
		fatal(err)
	}
	fmt.Println("injected")
	<-c.Done()
}

// serverMain is a system under test: a TCP server with a child of its own, that
// answers each line with its wall clock. Its first act is to print the clock.
func serverMain() {
	fmt.Println("wall", time.Now().UnixNano())
	fmt.Fprintln(os.Stderr, "to standard error")
	if len(os.Args) > 1 && os.Args[1] == "child" {
		<-signalled(syscall.SIGTERM)
	}
	child := exec.Command("/proc/self/exe", "child")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", targetPort))
	if err != nil {
		fatal(err)
	}
	fmt.Println("listening")
	for {
		conn, err := listener.Accept()
		if err != nil {
			fatal(err)
		}
		go answer(conn)
	}
}

// signalled is for waiting for ever: Go ends a program in which nothing can happen.
func signalled(sig os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, sig)
	return c
}

func answer(conn net.Conn) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "panic" {
			panic("as it was told")
		}
		fmt.Fprintln(conn, time.Now().UnixNano())
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, os.Getenv(roleEnv), err)
	os.Exit(3)
}

// role starts the test binary in a role, in a namespace.
func role(t *testing.T, ns *netnstest.NS, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, roleEnv+"="+name)...)
	cmd.Stderr = t.Output()
	return cmd
}

func launch(t *testing.T, ns *netnstest.NS, cmd *exec.Cmd) {
	t.Helper()
	var err error
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// node is a namespace with an agent in it.
type node struct {
	t   *testing.T
	ns  *netnstest.NS
	cfg Config
	cmd *exec.Cmd
}

// quick has times that are short, but not so short that a busy machine ends a
// lease by accident.
func quick(t *testing.T) Config {
	return Config{
		Name: "n1", Heartbeat: 100 * time.Millisecond, Lease: time.Second,
		LogFile: filepath.Join(t.TempDir(), "log", "server.log"), Subreaper: true,
	}
}

func newNode(t *testing.T, ns *netnstest.NS, cfg Config) *node {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, ns: ns, cfg: cfg, cmd: role(t, ns, "agent", configEnv+"="+string(text))}
	launch(t, ns, n.cmd)
	return n
}

// stdio is the controller's side of a bridge.
type stdio struct {
	io.Reader
	io.WriteCloser
}

// bridge starts a bridge, as docker exec would.
func (n *node) bridge() io.ReadWriteCloser {
	n.t.Helper()
	cmd := role(n.t, n.ns, "bridge")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		n.t.Fatal(err)
	}
	launch(n.t, n.ns, cmd)
	return stdio{out, in}
}

func (n *node) attach() *Client {
	n.t.Helper()
	c, err := Dial(n.t.Context(), n.bridge())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

var command = Command{Argv: []string{"self"}, Env: []string{roleEnv + "=server"}, Ports: []uint16{targetPort}}

func must[T any](t *testing.T, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

// serve starts the server and waits until it says that it listens.
func (n *node) serve(c *Client) Process {
	n.t.Helper()
	p := must[Process](n.t, "start")(c.Start(n.t.Context(), command))
	n.waitLog("listening", p.Starts)
	return p
}

// waitLog waits until the log has a text so many times.
func (n *node) waitLog(text string, times int) {
	n.t.Helper()
	n.eventually("log has "+text, func() bool {
		log, _ := os.ReadFile(n.cfg.LogFile)
		return strings.Count(string(log), text) >= times
	})
}

func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatal("never: ", what)
		}
	}
}

var peer = netip.MustParseAddr("10.0.0.9")

// injectAll starts a server and injects every fault.
func injectAll(ctx context.Context, c *Client) error {
	if _, err := c.Start(ctx, command); err != nil {
		return err
	}
	_, err1 := c.Cut(ctx, Cut{Drops: []Drop{{Peer: peer, In: true}}, Ports: []uint16{targetPort}})
	_, err2 := c.SetClock(ctx, time.Hour, 1000)
	_, err3 := c.Pause(ctx)
	return errors.Join(err1, err2, err3)
}

// tree lists what descends from the agent, without asking it.
func (n *node) tree() []proc.Stat {
	n.t.Helper()
	table, err := proc.Table()
	if err != nil {
		n.t.Fatal(err)
	}
	tree := proc.Tree(table, func(s proc.Stat) bool { return s.PPID == n.cmd.Process.Pid })
	var alive []proc.Stat
	for _, s := range tree {
		if !s.Dead() {
			alive = append(alive, s)
		}
	}
	return alive
}

// faulty says which faults an observer from outside sees.
func (n *node) faulty() (cut, stopped, patched bool) {
	n.t.Helper()
	var rules []string
	var err error
	n.ns.Do(func() { rules, err = nft.Table{Name: DefaultTable}.List() })
	if err != nil {
		n.t.Fatal(err)
	}
	for _, s := range n.tree() {
		stopped = stopped || s.Stopped()
		v, err := vdso.Read(s.PID)
		patched = patched || err == nil && v.Kind != vdso.Pristine
	}
	return len(rules) > 0, stopped, patched
}

func (n *node) mustBeFaulty() {
	n.t.Helper()
	if cut, stopped, patched := n.faulty(); !cut || !stopped || !patched {
		n.t.Fatalf("not injected: cut %t, stopped %t, patched %t", cut, stopped, patched)
	}
}

func (n *node) mustHeal() {
	n.t.Helper()
	if len(n.tree()) == 0 {
		n.t.Fatal("there is no server")
	}
	n.eventually("faults heal", func() bool {
		cut, stopped, patched := n.faulty()
		return !cut && !stopped && !patched
	})
}

func one(t *testing.T) *node {
	t.Helper()
	t.Parallel()
	return newNode(t, netnstest.New(t), quick(t))
}

// A server's life: started, killed with all that it started, started again.
func TestProcess(t *testing.T) {
	n := one(t)
	c, ctx := n.attach(), t.Context()
	p := must[Process](t, "process")(c.Process(ctx))
	if p.State != Dead || p.Starts != 0 {
		t.Errorf("before the start: %+v", p)
	}
	n.serve(c)
	p = must[Process](t, "process")(c.Process(ctx))
	if p.State != Running || len(p.Tree) != 2 || p.Tree[0].PID != p.PID || p.Tree[1].PPID != p.PID {
		t.Errorf("started: %+v", p)
	}
	if _, err := c.Start(ctx, command); err == nil {
		t.Error("started twice")
	}
	s := must[Signalled](t, "kill")(c.Kill(ctx))
	if len(s.PIDs) != 2 || s.Process.State != Dead || s.Process.Exit == nil || !s.Process.Exit.Provoked || s.Process.Exit.PID != p.PID {
		t.Errorf("killed: %+v", s)
	}
	if left := n.tree(); len(left) != 0 {
		t.Errorf("left behind: %+v", left)
	}
	first := p
	p = n.serve(c)
	if p.PID == first.PID || p.Starts != 2 || p.Started <= first.Started {
		t.Errorf("started again: %+v", p)
	}
	if _, err := c.Start(ctx, Command{Argv: []string{"/nowhere"}}); err == nil {
		t.Error("started twice")
	}
	c.Kill(ctx)
	if _, err := c.Start(ctx, Command{Argv: []string{"/nowhere"}}); err == nil {
		t.Error("started a program that is not there")
	}
	if p = must[Process](t, "process")(c.Process(ctx)); p.State != Dead || p.Starts != 2 {
		t.Errorf("after a failed start: %+v", p)
	}
	n.serveAgain(c)
}

func (n *node) serveAgain(c *Client) {
	n.t.Helper()
	p := must[Process](n.t, "start")(c.Start(n.t.Context(), command))
	n.waitLog("listening", p.Starts)
	if p.State != Running || p.Starts != 3 {
		n.t.Errorf("%+v", p)
	}
}

// A server that dies by itself is reported with its last words, to the
// controller that is there or to the one that comes next.
func TestUnprovokedExit(t *testing.T) {
	n := one(t)
	c, ctx := n.attach(), t.Context()
	p := n.serve(c)
	check := func(e Exit) {
		t.Helper()
		if e.PID != p.PID || e.Code != 2 || e.Provoked || !strings.Contains(strings.Join(e.Lines, "\n"), "panic: as it was told") {
			t.Errorf("%+v", e)
		}
	}
	c.Exchange(ctx, Exchange{Port: targetPort, Data: []byte("panic\n")})
	check(*(<-c.Events()).Exit)
	p = must[Process](t, "process")(c.Process(ctx))
	if p.State != Dead || len(p.Tree) != 1 {
		t.Errorf("the orphan is not adopted: %+v", p)
	}
	p = n.serve(c)
	c.Close()
	n.eventually("lost", func() bool { return c.Err() != nil })
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.waitLog("signal: terminated", 1)
	c = n.attach()
	if e := *(<-c.Events()).Exit; e.PID != p.PID || e.Provoked || e.Cause != "signal: terminated" {
		t.Errorf("%+v", e)
	}
}

// Pausing stops every process, and messages that arrive meanwhile are counted.
func TestPause(t *testing.T) {
	a, b := netnstest.New(t), netnstest.New(t)
	t.Parallel()
	netnstest.Join(a, "10.0.0.1/24", b, "10.0.0.2/24")
	n := newNode(t, a, quick(t))
	c, ctx := n.attach(), t.Context()
	n.serve(c)
	s := must[Signalled](t, "pause")(c.Pause(ctx))
	if len(s.PIDs) != 2 || s.Process.State != Stopped || s.Process.Refused != 0 {
		t.Errorf("paused: %+v", s)
	}
	for _, p := range n.tree() {
		if p.State != 'T' {
			t.Errorf("%+v", p)
		}
	}
	if _, err := c.Exchange(ctx, Exchange{Port: targetPort, Data: []byte("x\n")}); err == nil {
		t.Error("a stopped server was asked")
	}
	conn := dial(t, b, "10.0.0.1:7000")
	fmt.Fprintln(conn, "hello?")
	n.eventually("refused", func() bool { return must[Process](t, "process")(c.Process(ctx)).Refused > 0 })
	s = must[Signalled](t, "resume")(c.Resume(ctx))
	if s.Process.State != Running || s.Process.Refused == 0 {
		t.Errorf("resumed: %+v", s)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Error("the server did not answer after all: ", err)
	}
	before := must[Signalled](t, "kill")(c.Kill(ctx)).Process.Refused
	var err error
	b.Do(func() { _, err = net.Dial("tcp", "10.0.0.1:7000") })
	after := must[Process](t, "process")(c.Process(ctx)).Refused
	if !errors.Is(err, syscall.ECONNREFUSED) || after <= before {
		t.Errorf("dead: refused went from %d to %d (%v)", before, after, err)
	}
}

func dial(t *testing.T, ns *netnstest.NS, address string) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	ns.Do(func() { conn, err = net.Dial("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// offset is how far the server's clock is from ours, to some milliseconds.
func (n *node) offset(c *Client) time.Duration {
	n.t.Helper()
	data, err := c.Exchange(n.t.Context(), Exchange{Port: targetPort, Data: []byte("clock\n"), Until: []byte("\n")})
	if err != nil {
		n.t.Fatal(err)
	}
	var wall int64
	fmt.Sscan(string(data), &wall)
	return time.Duration(wall - time.Now().UnixNano()).Round(time.Second)
}

// The clock jumps in the server and its child, stays moved through a restart
// from the first instruction on, drifts, and is put back.
func TestClock(t *testing.T) {
	n := one(t)
	c, ctx := n.attach(), t.Context()
	n.serve(c)
	k := must[Clock](t, "set")(c.SetClock(ctx, time.Hour, 0))
	if len(k.Tasks) != 2 || !k.Tasks[0].Patched || !k.Tasks[1].Patched || k.Tasks[1].Offset != int64(time.Hour) {
		t.Errorf("set: %+v", k)
	}
	if got := n.offset(c); got != time.Hour {
		t.Errorf("the server is %v off", got)
	}
	c.Kill(ctx)
	n.serve(c)
	log, _ := os.Open(n.cfg.LogFile)
	defer log.Close()
	starts := 0
	for line, err := range ScanLog(log) {
		if err != nil {
			t.Error(err)
		}
		var wall int64
		if fmt.Sscanf(line.Text, "wall %d", &wall); wall == 0 {
			continue
		}
		if starts++; starts == 3 { // two of the first start, then the server, then its child
			if off := time.Duration(wall - time.Now().UnixNano()); off < 59*time.Minute {
				t.Errorf("the first reading after the restart is %v off", off)
			}
		}
	}
	n.eventually("the child has the clock", func() bool {
		k := must[Clock](t, "clock")(c.Clock(ctx))
		return len(k.Tasks) == 2 && k.Tasks[1].Patched
	})
	must[Clock](t, "drift")(c.SetClock(ctx, -time.Minute, -int64(time.Second)/2))
	n.eventually("drift", func() bool { return n.offset(c) <= -61*time.Second })
	k = must[Clock](t, "restore")(c.SetClock(ctx, 0, 0))
	if !k.Tasks[0].Pristine || !k.Tasks[1].Pristine || n.offset(c) != 0 {
		t.Errorf("restored: %+v", k)
	}
	for _, bad := range []clockRequest{{Rate: -int64(time.Second)}, {Offset: -100 * 365 * 24 * time.Hour}, {Offset: 1<<63 - 1}} {
		if _, err := c.SetClock(ctx, bad.Offset, bad.Rate); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// arrives probes one link.
func arrives(t *testing.T, from, to *Client, address string, nonce uint64) bool {
	t.Helper()
	if err := from.SendProbe(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(address), DefaultProbePort), nonce); err != nil {
		t.Fatal(err)
	}
	return must[Arrival](t, "arrived")(to.ProbeArrived(t.Context(), nonce, 300*time.Millisecond)).Arrived
}

// Probes tell the two directions of a link apart, and counters tell probes from
// the target's own packets, over all cuts.
func TestCut(t *testing.T) {
	t.Parallel()
	left, right := netnstest.New(t), netnstest.New(t)
	netnstest.Join(left, "10.0.0.1/24", right, "10.0.0.2/24")
	a, b := newNode(t, left, quick(t)), newNode(t, right, quick(t))
	ca, cb, ctx := a.attach(), b.attach(), t.Context()
	b.serve(cb)
	if !arrives(t, ca, cb, "10.0.0.2", 1) || !arrives(t, cb, ca, "10.0.0.1", 2) {
		t.Fatal("the network does not work")
	}
	conn := dial(t, left, "10.0.0.2:7000")
	r := must[Rules](t, "cut")(cb.Cut(ctx, Cut{
		Drops: []Drop{{Peer: netip.MustParseAddr("10.0.0.1"), In: true}}, Ports: []uint16{targetPort},
	}))
	if len(r.Rules) != 7 {
		t.Errorf("rules: %q", r.Rules)
	}
	if arrives(t, ca, cb, "10.0.0.2", 3) {
		t.Error("a probe crossed the cut")
	}
	if !arrives(t, cb, ca, "10.0.0.1", 4) {
		t.Error("the other direction is cut as well")
	}
	fmt.Fprintln(conn, "hello?")
	dropped := func(class string) (packets uint64) {
		for _, k := range must[Rules](t, "rules")(cb.Rules(ctx)).Packets {
			if k.Class == class && !k.Out && k.Peer == netip.MustParseAddr("10.0.0.1") {
				packets += k.Packets
			}
		}
		return packets
	}
	b.eventually("target's packets are counted", func() bool { return dropped(ClassTarget) > 0 })
	if got := dropped(ClassProbe); got != probeCopies {
		t.Errorf("%d probes were counted", got)
	}
	if err := cb.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	if !arrives(t, ca, cb, "10.0.0.2", 5) || dropped(ClassProbe) != probeCopies {
		t.Errorf("healed: %d probes were counted", dropped(ClassProbe))
	}
	if _, err := cb.Cut(ctx, Cut{Drops: []Drop{{Peer: netip.IPv6Loopback(), In: true}}}); err == nil {
		t.Error("loopback was cut")
	}
	if _, err := cb.Cut(ctx, Cut{Drops: []Drop{{Peer: netip.MustParseAddr("10.0.0.1"), Out: true}}}); err != nil {
		t.Error(err)
	}
	if arrives(t, cb, ca, "10.0.0.1", 6) || !arrives(t, ca, cb, "10.0.0.2", 7) {
		t.Error("a cut of what goes out is none, or cuts both ways")
	}
}

// However the controller goes, everything heals.
func TestHealsWithoutController(t *testing.T) {
	t.Run("end of stream", func(t *testing.T) {
		n := one(t)
		c := n.attach()
		if err := injectAll(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		n.mustBeFaulty()
		c.Close()
		n.mustHeal()
	})
	t.Run("silence", func(t *testing.T) {
		n := one(t)
		raw := n.bridge()
		in := silent(t, raw)
		n.mustBeFaulty()
		n.mustHeal()
		if f, err := decode(in); err != nil || f.Error != errLease.Error() {
			t.Errorf("the last words to a controller that was silent: %+v, %v", f, err)
		}
	})
	t.Run("server killed", func(t *testing.T) {
		n := one(t)
		c := n.attach()
		n.serve(c)
		must[Clock](t, "set clock")(c.SetClock(t.Context(), time.Hour, 0))
		must[Signalled](t, "kill")(c.Kill(t.Context()))
		c.Close()
		n.waitLog("listening", 2)
		n.mustHeal()
	})
	t.Run("server ended by itself", func(t *testing.T) {
		n := one(t)
		c := n.attach()
		if err := syscall.Kill(n.serve(c).PID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-c.Events()
		c.Close()
		if again := must[Process](t, "process")(n.attach().Process(t.Context())); again.State != Dead {
			t.Errorf("a server that nobody had killed was started again: %+v", again)
		}
	})
	for name, sig := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			n := one(t)
			n.attach().Close() // the agent is up
			cmd := role(t, n.ns, "controller")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			launch(t, n.ns, cmd)
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(line, err)
			}
			n.mustBeFaulty()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			n.mustHeal()
		})
	}
	t.Run("another takes over", func(t *testing.T) {
		n := one(t)
		first := n.attach()
		if err := injectAll(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		n.mustBeFaulty()
		second := n.attach()
		n.mustHeal() // before the second attach returned, in fact
		<-first.Done()
		if _, err := first.Pause(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("the first controller can still act: %v", err)
		}
		if p := must[Process](t, "process")(second.Process(t.Context())); p.State != Running || p.Starts != 1 {
			t.Errorf("the server did not survive: %+v", p)
		}
	})
}

// silent injects every fault by hand and never sends a heartbeat.
func silent(t *testing.T, raw io.ReadWriter) *bufio.Reader {
	t.Helper()
	in := bufio.NewReader(raw)
	ask := func(id uint64, op string, body any) {
		t.Helper()
		text, _ := json.Marshal(body)
		request, err := encode(frame{ID: id, Op: op, Body: text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write(request); err != nil {
			t.Fatal(err)
		}
		if f, err := decode(in); err != nil || f.ID != id || f.Error != "" {
			t.Fatalf("%s: %+v, %v", op, f, err)
		}
	}
	ask(1, opHello, Hello{Protocol: Protocol})
	ask(2, opStart, command)
	ask(3, opCut, Cut{Drops: []Drop{{Peer: peer, In: true}}})
	ask(4, opSetClock, clockRequest{Offset: time.Hour})
	ask(5, opPause, none{})
	return in
}

// A controller that sends but does not read loses its session, and the agent
// goes on.
func TestStalledReader(t *testing.T) {
	n := one(t)
	c := n.attach()
	if err := injectAll(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Close()
	raw := n.bridge()
	hello, _ := encode(frame{ID: 1, Op: opHello, Body: json.RawMessage(`{"protocol":1}`)})
	flood, _ := encode(frame{ID: 2, Op: opProcess, Body: json.RawMessage(`{}`)})
	if _, err := raw.Write(hello); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := raw.Write(flood); err != nil {
				return
			}
		}
	}()
	select {
	case <-done: // the bridge ended
	case <-time.After(20 * time.Second):
		t.Fatal("the session of a stalled reader goes on")
	}
	n.attach()
	n.mustHeal()
}

// An agent that nobody attaches to ends, and so does one whose controller does
// not come back; nothing of the server is left.
func TestEndsWithoutController(t *testing.T) {
	t.Run("never attached", func(t *testing.T) {
		t.Parallel()
		cfg := quick(t)
		cfg.Attach = 200 * time.Millisecond
		n := newNode(t, netnstest.New(t), cfg)
		if err := n.cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("orphaned", func(t *testing.T) {
		t.Parallel()
		cfg := quick(t)
		cfg.Orphan = 200 * time.Millisecond
		n := newNode(t, netnstest.New(t), cfg)
		c := n.attach()
		n.serve(c)
		tree := n.tree()
		c.Close()
		if err := n.cmd.Wait(); err != nil {
			t.Error(err)
		}
		mustBeGone(t, tree)
	})
	t.Run("shut down", func(t *testing.T) {
		n := one(t)
		c := n.attach()
		if err := injectAll(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		tree := n.tree()
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := n.cmd.Wait(); err != nil {
			t.Error(err)
		}
		mustBeGone(t, tree)
	})
	t.Run("terminated", func(t *testing.T) {
		n := one(t)
		c := n.attach()
		n.serve(c)
		tree := n.tree()
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := n.cmd.Wait(); err != nil {
			t.Error(err)
		}
		mustBeGone(t, tree)
	})
}

func mustBeGone(t *testing.T, tree []proc.Stat) {
	t.Helper()
	if len(tree) == 0 {
		t.Error("there was nothing")
	}
	for _, s := range tree {
		if now, err := proc.Look(s.PID); err == nil && now.Start == s.Start && !now.Dead() {
			t.Errorf("still there: %+v", now)
		}
	}
}

// Whatever comes over the socket, the agent goes on to serve its controller.
func TestHostileFrames(t *testing.T) {
	n := one(t)
	c := n.attach()
	n.serve(c)
	before, _ := encode(frame{ID: 1, Op: opKill})
	for name, raw := range map[string][]byte{
		"not a hello": before,
		"huge":        []byte("\xff\xff\xff\xff"),
		"not JSON":    []byte("\x00\x00\x00\x05hello"),
		"torn":        []byte("\x00\x00"),
	} {
		bad := n.bridge()
		if _, err := bad.Write(raw); err != nil {
			t.Fatal(name, err)
		}
		if name == "torn" {
			bad.Close()
		}
		if f, err := decode(bad); err == nil {
			t.Errorf("%s was answered: %+v", name, f)
		}
	}
	for _, bad := range []frame{{Op: "nonsense"}, {Op: opCut, Body: json.RawMessage(`[1]`)}, {Op: opStart, Body: json.RawMessage(`{}`)}} {
		if err := c.call(t.Context(), bad.Op, bad.Body, nil); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if p := must[Process](t, "process")(c.Process(t.Context())); p.State != Running {
		t.Errorf("%+v", p)
	}
}
