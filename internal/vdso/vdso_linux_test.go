package vdso

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const childEnv = "ORDEAL_VDSO_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "read":
		readClocks(os.Stdin, os.Stdout)
	case "spin":
		spin()
	default:
		os.Exit(m.Run())
	}
}

// readClocks answers each line with the process's own clocks.
func readClocks(in io.Reader, out io.Writer) {
	start := time.Now()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		now := time.Now()
		fmt.Fprintln(out, now.UnixNano(), now.Sub(start).Nanoseconds())
	}
}

// spin reads the clock in a few threads as fast as it can, with signals that
// interrupt them, until its standard input ends. It fails if a monotonic clock
// goes back.
func spin() {
	for range 4 {
		go func() {
			for last := time.Now(); ; {
				now := time.Now()
				if now.Sub(last) < 0 {
					panic("the monotonic clock went back")
				}
				last = now
			}
		}()
	}
	go func() {
		for {
			runtime.GC()
		}
	}()
	fmt.Println("spinning")
	io.Copy(io.Discard, os.Stdin)
}

type child struct {
	t   *testing.T
	pid int
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

func start(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	if _, err := ours(); err != nil {
		t.Skip(err)
	}
	cmd.Stderr = t.Output()
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	for _, err := range []error{err1, err2, cmd.Start()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &child{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), cmd: cmd}
}

func self(t *testing.T, mode string) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	return start(t, cmd)
}

func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal("child: ", err)
	}
	return line
}

func (c *child) clocks() (wall, mono int64) {
	c.t.Helper()
	fmt.Fprintln(c.in)
	if _, err := fmt.Sscan(c.line(), &wall, &mono); err != nil {
		c.t.Fatal(err)
	}
	return wall, mono
}

// offset is how far the child's wall clock is from ours: at least, at most.
func (c *child) offset() (low, high time.Duration) {
	before := time.Now()
	wall, _ := c.clocks()
	after := time.Now()
	return time.Duration(wall - after.UnixNano()), time.Duration(wall - before.UnixNano())
}

func (c *child) set(offset time.Duration) State {
	c.t.Helper()
	s, err := Set(c.t.Context(), c.pid, offset)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *child) restore() State {
	c.t.Helper()
	s, err := Restore(c.t.Context(), c.pid)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// bytes reads the child's vDSO without the code under test.
func (c *child) bytes() string {
	c.t.Helper()
	base, size, err := find(c.pid)
	if err != nil {
		c.t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	defer mem.Close()
	image := make([]byte, size)
	if _, err := mem.ReadAt(image, base); err != nil {
		c.t.Fatal(err)
	}
	return string(image)
}

// The wall clock of the child jumps, exactly and again and again, its monotonic
// clock and the parent's clocks go on, and restoring puts back every byte.
func TestSetAndRestore(t *testing.T) {
	t.Parallel()
	c := self(t, "read")
	_, mono0 := c.clocks()
	original, start := c.bytes(), time.Now()
	for _, offset := range []time.Duration{
		time.Hour, -time.Hour, 1, -1, 1500 * time.Millisecond, -1500 * time.Millisecond,
		999_999_999, 100 * 365 * 24 * time.Hour, 0,
	} {
		if s := c.set(offset); s.Kind != Patched || s.Offset != offset || s.PID != c.pid {
			t.Errorf("set %v: %+v", offset, s)
		}
		if low, high := c.offset(); offset < low || offset > high {
			t.Errorf("set %v: the child is between %v and %v off", offset, low, high)
		}
	}
	_, mono1 := c.clocks()
	if elapsed := time.Since(start); mono1 <= mono0 || time.Duration(mono1-mono0) > elapsed+time.Second {
		t.Errorf("monotonic time went from %d to %d in %v", mono0, mono1, elapsed)
	}
	if wall := time.Now().UnixNano() - start.Round(0).UnixNano(); time.Duration(wall) > time.Since(start)+time.Minute {
		t.Error("the parent's clock moved")
	}
	if c.bytes() == original {
		t.Error("nothing was patched")
	}
	if s := c.restore(); s.Kind != Pristine {
		t.Errorf("restored: %+v", s)
	}
	if c.bytes() != original {
		t.Error("the bytes differ from the original")
	}
	if low, high := c.offset(); low > 0 || high < 0 {
		t.Errorf("restored, the child is between %v and %v off", low, high)
	}
	c.restore() // once more does no harm
}

// Threads that do nothing but read the clock, interrupted by signals, survive
// being patched and restored over and over.
func TestHotThreads(t *testing.T) {
	t.Parallel()
	c := self(t, "spin")
	c.line()
	original := c.bytes()
	for i := range 50 {
		c.set(time.Duration(i) * time.Hour)
		c.set(-time.Duration(i) * time.Hour)
		if s := c.restore(); s.Kind != Pristine || c.bytes() != original {
			t.Fatalf("restored: %+v", s)
		}
	}
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Error("the child did not survive: ", err)
	}
}

// A stopped process is patched and stays stopped.
func TestStoppedStaysStopped(t *testing.T) {
	t.Parallel()
	c := self(t, "read")
	c.clocks()
	if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(c.pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatal(status, err)
	}
	c.set(time.Hour)
	if all, err := threads(c.pid); err != nil || !stopped(all) {
		t.Errorf("the process runs: %v, %v", all, err)
	}
	if err := syscall.Kill(c.pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if low, high := c.offset(); low > time.Hour || high < time.Hour {
		t.Errorf("the child is between %v and %v off", low, high)
	}
}

// All functions and clocks, seen through C: wall clocks move, others do not,
// and a forked child has the patch and can be restored on its own.
func TestFunctionsFromC(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "clocks")
	if len(run(t, "gcc", "-O1", "-o", program, filepath.Join("testdata", "clocks.c"))) != 0 {
		t.Fatal("gcc complains")
	}
	c := start(t, exec.Command(program))
	check := func(want int64) {
		t.Helper()
		fmt.Fprintln(c.in)
		for _, f := range strings.Fields(c.line()) {
			name, text, _ := strings.Cut(f, "=")
			var got int64
			fmt.Sscan(text, &got)
			w := want
			if strings.HasPrefix(name, "mono") {
				w = 0
			}
			// Coarse clocks lag by a tick; time() has whole seconds.
			if got < w-1100 || got > w+100 {
				t.Errorf("%s is off by %d ms, want %d", name, got, w)
			}
		}
	}
	check(0)
	c.set(7 * time.Hour)
	check(7 * 3600_000)
	c.set(-7*time.Hour - 250*time.Millisecond)
	check(-7*3600_000 - 250)
	c.restore()
	check(0)

	c.set(time.Hour)
	fmt.Fprintln(c.in, "f")
	var twin int
	if fmt.Sscan(c.line(), &twin); twin <= 1 {
		t.Fatal("no child was forked") // and 0 would be our own process group
	}
	defer syscall.Kill(twin, syscall.SIGKILL)
	if s, err := Read(twin); err != nil || s.Kind != Patched || s.Offset != time.Hour {
		t.Errorf("the forked child: %+v, %v", s, err)
	}
	if s, err := Restore(t.Context(), twin); err != nil || s.Kind != Pristine {
		t.Errorf("the forked child: %+v, %v", s, err)
	}
	if s, err := Read(c.pid); err != nil || s.Kind != Patched {
		t.Errorf("its parent: %+v, %v", s, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	if err := Check(); err != nil {
		t.Error(err)
	}
}

func TestNoProcess(t *testing.T) {
	t.Parallel()
	if _, err := Set(context.Background(), 1<<22, time.Hour); err == nil {
		t.Error("a process that cannot be was patched")
	}
}

// BenchmarkUpdate is the cost of one step of a drift.
func BenchmarkUpdate(b *testing.B) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		b.Skip(err)
	}
	defer func() { _ = cmd.Process.Signal(unix.SIGKILL); _ = cmd.Wait() }()
	for i := 0; b.Loop(); i++ {
		if _, err := Set(b.Context(), cmd.Process.Pid, time.Duration(i)); err != nil {
			b.Fatal(err)
		}
	}
}
