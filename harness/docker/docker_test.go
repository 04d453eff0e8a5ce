package docker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// needEngine skips a test where there is no engine, and fails it in CI.
func needEngine(t *testing.T) *engine {
	t.Helper()
	e, err := connect(t.Context())
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI=true and no Docker: %v", err)
		}
		t.Skipf("no Docker: %v", err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestMain gives the tests a folder for the program that they deploy.
func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ordeal-docker-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testBinary = sync.OnceValues(func() (string, error) { return buildTestBinary(dir) })
	defer removeTestImage(filepath.Join(dir, "node"))
	return m.Run()
}

// removeTestImage removes what no later test can use: the program is built anew.
func removeTestImage(path string) {
	b, err := findBinary(path)
	if err != nil {
		return // not built: all tests were skipped, or are of other things
	}
	e, err := connect(context.Background())
	if err != nil {
		return
	}
	defer e.Close()
	_, _ = removeImages(context.Background(), e, func(im imageInfo) bool { return im.binary == b.hash })
}

// testBinary returns the program in testdata, which is built once for all tests.
var testBinary func() (string, error)

// buildTestBinary makes a static program even where the tests themselves are
// dynamic, as they are with -race.
func buildTestBinary(dir string) (string, error) {
	path := filepath.Join(dir, "node")
	build := exec.Command("go", "build", "-o", path, "./testdata/node")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

func testWorld(t *testing.T) *World {
	t.Helper()
	path, err := testBinary()
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Binary: path})
}

// runName is the id of a run for a test.
func runName(t *testing.T) string {
	return fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
}

// deployNodes starts a cluster that ends with the test.
func deployNodes(t *testing.T, nodes int) *cluster {
	t.Helper()
	needEngine(t)
	c, err := testWorld(t).Deploy(t.Context(), world.Spec{
		Run: runName(t), Nodes: nodes, Choices: choice.New(1), OpTimeout: time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			lines, err := c.Logs(context.Background())
			t.Log("logs of the nodes:", lines, err)
		}
		began := time.Now()
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		t.Logf("closed in %v", time.Since(began))
	})
	return c.(*cluster)
}

// untilReady waits until all nodes say that they are.
func untilReady(t *testing.T, c *cluster) {
	t.Helper()
	for i := range c.members {
		eventually(t, func() error {
			_, err := (*control)(c).Status(i)
			return err
		})
	}
}

// eventually repeats what may need a moment.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	c := deployNodes(t, 5)
	untilReady(t, c)
	answer, err := c.members[2].conn.Call(t.Context(), []byte("echo hello"))
	if err != nil || string(answer) != "hello" {
		t.Errorf("echo: %q, %v", answer, err)
	}
}
