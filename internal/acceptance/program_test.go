package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"
)

// patience is how long any one program may take. None needs half of it.
const patience = 2 * time.Minute

// programs are built when the first test asks for one, and shared by all.
type programs struct {
	dir string
	// docker bounds the runs in Docker that go on at one time: more of them
	// would starve each other on a small machine.
	docker *semaphore.Weighted

	ordeal  func() (string, error) // the program itself
	fragile func() (string, error) // one with a target whose nodes panic
}

// built is set by TestMain before any test runs.
var built programs

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ordeal-acceptance")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = programs{dir: dir, docker: semaphore.NewWeighted(2)}
	built.ordeal = sync.OnceValues(func() (string, error) { return built.build("ordeal", "../../cmd/ordeal", "") })
	built.fragile = sync.OnceValues(func() (string, error) { return built.build("fragile", "./testdata/fragile", "") })
	defer built.removeImages()
	return m.Run()
}

// build builds a static program, with a version of its own if one is given.
func (p *programs) build(name, pkg, version string) (string, error) {
	path := filepath.Join(p.dir, name)
	args := []string{"build", "-o", path}
	if version != "" {
		args = append(args, "-ldflags", "-X github.com/ordeal-dev/ordeal/harness/cli.Version="+version)
	}
	build := exec.Command("go", append(args, pkg)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return path, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get returns a program that was built.
func get(t *testing.T, program func() (string, error)) string {
	t.Helper()
	path, err := program()
	must(t, err)
	return path
}

// process is a program that runs.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	stdout   bytes.Buffer
	stderr   words
	finished chan struct{}
}

// words is what a program says, for a test that listens while it still runs.
type words struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// start starts a program. It is killed at the end of the test at the latest.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	return startIn(t, nil, program, args...)
}

// startIn starts a program with more in its environment.
func startIn(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p := &process{t: t, cmd: exec.CommandContext(ctx, program, args...), finished: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	must(t, p.cmd.Start())
	go func() {
		defer close(p.finished)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() { cancel(); <-p.finished })
	return p
}

// ended reports whether the program has ended.
func (p *process) ended() bool {
	select {
	case <-p.finished:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// exit waits for the end of the program and returns its exit code: -1 if it was killed.
func (p *process) exit() int {
	<-p.finished
	return p.cmd.ProcessState.ExitCode()
}

// mustExit waits for the end of the program, which must be with one of the codes.
func (p *process) mustExit(codes ...int) {
	p.t.Helper()
	code := p.exit()
	for _, c := range codes {
		if c == code {
			return
		}
	}
	p.t.Fatalf("%s: exit code %d, want one of %d\n%s\n%s", strings.Join(p.cmd.Args[1:], " "), code, codes, p.gist(), &p.stderr)
}

// gist is what is worth knowing of what the program printed.
func (p *process) gist() string {
	var a answer
	if json.Unmarshal(p.stdout.Bytes(), &a) != nil {
		return p.stdout.String()
	}
	lines := []string{fmt.Sprintf("verdict %s, operations %+v, errors %q, faults %+v", a.Verdict, a.Ops, a.Errors, a.Faults)}
	for name, c := range a.Checkers {
		if c.Verdict != "ok" {
			lines = append(lines, fmt.Sprintf("%s: %s: %s %+v", name, c.Verdict, c.Reason, c.Anomalies))
		}
	}
	return strings.Join(lines, "\n")
}

// answer is what --json prints, as far as these tests read it.
type answer struct {
	Verdict string `json:"verdict"`
	Seed    uint64 `json:"seed"`
	Run     string `json:"run"`
	Ops     struct {
		OK   int `json:"ok"`
		Fail int `json:"fail"`
		Info int `json:"info"`
	} `json:"ops"`
	Promise struct {
		Level string `json:"level"`
		Kept  *bool  `json:"kept"`
	} `json:"promise"`
	Checkers map[string]struct {
		Verdict   string    `json:"verdict"`
		Reason    string    `json:"reason"`
		Anomalies []anomaly `json:"anomalies"`
	} `json:"checkers"`
	Faults []struct {
		Kind      string   `json:"kind"`
		Nodes     []string `json:"nodes"`
		Witness   string   `json:"witness"`
		Exercised bool     `json:"exercised"`
	} `json:"faults"`
	Errors []string `json:"errors"`
	Error  string   `json:"error"`
}

// kept says in a word whether the promise was kept.
func (a answer) kept() string {
	if a.Promise.Kept == nil {
		return "unknown"
	}
	return strconv.FormatBool(*a.Promise.Kept)
}

type anomaly struct {
	Name        string `json:"name"`
	Explanation string `json:"explanation"`
	Ops         []int  `json:"ops"`
}

// answer reads what the program printed with --json.
func (p *process) answer() answer {
	p.t.Helper()
	var a answer
	if err := json.Unmarshal(p.stdout.Bytes(), &a); err != nil {
		p.t.Fatalf("%s: standard output is not one JSON document: %v\n%s\n%s", strings.Join(p.cmd.Args[1:], " "), err, &p.stdout, &p.stderr)
	}
	return a
}

// ordeal runs the program to its end and returns what it came to.
func ordeal(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, get(t, built.ordeal), args...)
	<-p.finished
	return p
}

// runArgs are the arguments of a run of the store in CP mode in Docker, with
// the reply on standard output; what is given in more is added and wins.
func runArgs(out string, more ...string) []string {
	return append([]string{"run", "--target", "store", "--set", "mode=cp", "--workload", "register",
		"--world", "docker", "--json", "--out", out}, more...)
}

// runDir waits until a run has made its directory below out, and returns it. A
// run that does not come so far is asked for its stacks.
func (p *process) runDir(out string) string {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for {
		if plans, err := filepath.Glob(filepath.Join(out, "*", "plan.json")); err == nil && len(plans) > 0 {
			dir, err := filepath.EvalSymlinks(filepath.Dir(plans[0]))
			must(p.t, err)
			return dir
		}
		select {
		case <-tick.C:
		case <-timeout:
			p.signal(syscall.SIGQUIT)
			<-p.finished
		case <-p.finished:
			p.t.Fatalf("no run has begun\n%s\n%s", &p.stdout, &p.stderr)
		}
	}
}

// eventually tries again what may need a moment, and returns how long it took.
func eventually(t *testing.T, within time.Duration, try func() error) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		took := time.Since(began)
		if err == nil {
			return took
		}
		if took > within {
			t.Fatalf("not within %v: %v", within, err)
		}
		<-tick.C
	}
}

// check judges the history of a run by itself. It must come to a verdict,
// whatever became of the run.
func check(t *testing.T, dir string) answer {
	t.Helper()
	p := ordeal(t, "check", filepath.Join(dir, "history.jsonl.zst"), "--workload", "register", "--json")
	a := p.answer()
	if want := map[string]int{"ok": 0, "invalid": 1, "unknown": 2, "harness-error": 3}; a.Verdict == "" || p.exit() != want[a.Verdict] {
		t.Errorf("check: verdict %q with exit code %d\n%s", a.Verdict, p.exit(), &p.stderr)
	}
	return a
}
