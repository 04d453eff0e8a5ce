package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const roleEnv = "ORDEAL_PROC_ROLE"

// The test binary is a tree of three processes, in two sessions, that prints a
// line for each: every process starts the next.
func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	if role == "exit" {
		os.Exit(7)
	}
	depth, _ := strconv.Atoi(role)
	if depth < 3 {
		child := exec.Command("/proc/self/exe")
		child.Env = []string{roleEnv + "=" + strconv.Itoa(depth+1)}
		child.Stdout = os.Stdout
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: depth == 2}
		if err := child.Start(); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(os.Getpid())
	forever := make(chan os.Signal, 1)
	signal.Notify(forever, syscall.SIGTERM)
	<-forever // Go would end a program in which nothing can happen
}

type fixture struct {
	*Supervisor
	t      *testing.T
	ended  chan Ended
	lines  *bufio.Reader
	stdout *os.File
}

func supervise(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	f := &fixture{t: t, ended: make(chan Ended, 10)}
	var err error
	if f.Supervisor, err = NewSupervisor(false, func(e Ended) { f.ended <- e }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	f.lines, f.stdout = bufio.NewReader(r), w
	return f
}

// start starts a role and waits for so many lines.
func (f *fixture) start(role string, lines int, prepare func(int) error) Stat {
	f.t.Helper()
	s, err := f.Start(Command{
		Path: "/proc/self/exe", Argv: []string{"test"}, Env: []string{roleEnv + "=" + role},
		Stdout: f.stdout, Prepare: prepare,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	for range lines {
		if _, err := f.lines.ReadString('\n'); err != nil {
			f.t.Fatal(err)
		}
	}
	return s
}

func (f *fixture) within() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	f.t.Cleanup(cancel)
	return ctx
}

// Signals reach the whole tree, whatever sessions it is in, and killing leaves nothing.
func TestTreeOfProcesses(t *testing.T) {
	f := supervise(t)
	main := f.start("1", 3, nil)
	tree, err := f.Tree()
	if err != nil || len(tree) != 3 {
		t.Fatalf("%+v, %v", tree, err)
	}
	if hit, err := f.Stop(f.within()); err != nil || len(hit) != 3 {
		t.Errorf("stopped %v, %v", hit, err)
	}
	for _, s := range tree {
		if now, err := Look(s.PID); err != nil || !now.Stopped() {
			t.Errorf("%+v, %v", now, err)
		}
	}
	if hit, err := f.Stop(f.within()); err != nil || len(hit) != 0 {
		t.Errorf("stopped again: %v, %v", hit, err)
	}
	if hit, err := f.Continue(f.within()); err != nil || len(hit) != 3 {
		t.Errorf("continued %v, %v", hit, err)
	}
	if _, err := f.Stop(f.within()); err != nil {
		t.Error(err)
	}
	if hit, err := f.Kill(f.within()); err != nil || len(hit) != 3 {
		t.Errorf("killed %v, %v", hit, err)
	}
	for _, s := range tree {
		if now, err := Look(s.PID); err == nil && now.Start == s.Start && !now.Dead() {
			t.Errorf("still there: %+v", now)
		}
	}
	if e := <-f.ended; e.PID != main.PID || !e.Provoked || e.Cause != "signal: killed" || e.Code != -1 {
		t.Errorf("%+v", e)
	}
	if _, running := f.Server(); running {
		t.Error("the server is said to run")
	}
}

// A process that waits in vfork for a stopped child counts as stopped: it never
// gets to obey the signal.
func TestStopInVfork(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	program := filepath.Join(t.TempDir(), "vfork")
	if out, err := exec.Command(gcc, "-o", program, "testdata/vfork.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := supervise(t)
	if _, err := f.Start(Command{Path: program, Argv: []string{"vfork"}, Stdout: f.stdout}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if hit, err := f.Stop(f.within()); err != nil || len(hit) != 2 {
		t.Errorf("stopped %v, %v", hit, err)
	}
	if hit, err := f.Continue(f.within()); err != nil || len(hit) != 2 {
		t.Errorf("continued %v, %v", hit, err)
	}
}

func TestExit(t *testing.T) {
	f := supervise(t)
	s := f.start("exit", 0, nil)
	e := <-f.ended
	if e.PID != s.PID || e.Provoked || e.Code != 7 || e.Cause != "exit status 7" {
		t.Errorf("%+v", e)
	}
	if hit, err := f.Kill(f.within()); err != nil || len(hit) != 0 {
		t.Errorf("killed %v, %v", hit, err)
	}
	f.start("3", 1, nil)
	if _, err := f.Start(Command{Path: "/proc/self/exe", Argv: []string{"test"}}); err == nil {
		t.Error("started twice")
	}
}

// Prepare runs before the first instruction; if it fails there is no server.
func TestPrepare(t *testing.T) {
	f := supervise(t)
	var seen Stat
	s := f.start("3", 1, func(pid int) (err error) {
		seen, err = Look(pid)
		return err
	})
	if seen.PID != s.PID || seen.State != 't' {
		t.Errorf("prepared: %+v", seen)
	}
	if _, err := f.Kill(f.within()); err != nil {
		t.Fatal(err)
	}
	<-f.ended
	refuse := errors.New("not today")
	s, err := f.Start(Command{
		Path: "/proc/self/exe", Argv: []string{"test"}, Env: []string{roleEnv + "=3"}, Stdout: f.stdout,
		Prepare: func(int) error { return refuse },
	})
	if !errors.Is(err, refuse) || s.PID == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if e := <-f.ended; !e.Provoked || e.PID != s.PID {
		t.Errorf("%+v", e)
	}
	f.stdout.Close()
	if rest, _ := io.ReadAll(f.lines); len(rest) != 0 {
		t.Errorf("it ran: %q", rest)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	rest := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"
	got, err := parseStat("42 (a) b (c)" + rest)
	if want := (Stat{PID: 42, PPID: 1, Session: 3, State: 'S', Start: 4711, Name: "a) b (c"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "42", ")(", "42 (a) S 1", "x (a)" + rest, strings.Replace("42 (a)"+rest, "4711", "x", 1)} {
		if got, err := parseStat(bad); err == nil {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseStat(text)
	})
}
