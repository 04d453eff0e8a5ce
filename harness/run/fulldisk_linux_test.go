package run_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// tinyDisk mounts a disk of the given size.
func tinyDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("ordeal-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if errors.Is(err, os.ErrPermission) {
		t.Skip("a disk can only be mounted by root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// slow is the simulated world under another name: its runs are not repeated at
// will, and so their histories are synced as they go.
type slow struct{ world.World }

func (slow) Name() string { return "slow" }

// A disk that fills up costs nothing that was written before: the run ends as
// harness-error, and its history is the beginning of what it would have been.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	builtin := registry.Builtin()
	sim, err := builtin.World("sim")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sim", "slow"} {
		reg := registry.With(slow{sim})
		p := planFor(1, 20*time.Second, cp, four...)
		p.World = name
		whole := execute(t, reg, p)
		sizes := []int{8, 20, 40, 80, 120}
		if testing.Short() {
			sizes = sizes[:3]
		}
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s %d KiB", name, size), func(t *testing.T) {
				t.Parallel()
				fillDisk(t, reg, p, whole, tinyDisk(t, size<<10))
			})
		}
	}
}

func fillDisk(t *testing.T, reg *registry.Registry, p *plan.Plan, whole *run.Outcome, disk string) {
	t.Helper()
	again := *p
	o, err := try(t.Context(), reg, &again, run.Config{Out: disk})
	if err != nil {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("no room even to begin, but the error is: %v", err)
		}
		return
	}
	if o.Result.Verdict != checkers.HarnessError {
		t.Errorf("verdict %v: %s", o.Result.Verdict, summary(o.Result))
	}
	wantText(t, "the errors", strings.Join(o.Result.Errors, "; "), "no space left on device")
	h, err := history.Open(o.Run.Path(store.HistoryFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d records were written", len(h.Ops), len(whole.History.Ops))
	n := min(len(h.Ops), len(whole.History.Ops))
	same := slices.EqualFunc(h.Ops[:n], whole.History.Ops[:n], func(a, b history.Op) bool {
		return string(history.AppendJSON(nil, &a)) == string(history.AppendJSON(nil, &b))
	})
	if !same {
		t.Error("what was written is not the beginning of the run")
	}
	if o.Result.Ops.OK == 0 && len(h.Ops) > 100 {
		t.Error("what was written was not judged")
	}
}
