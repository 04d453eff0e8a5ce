package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// The race build gives the same bytes as this one, on one core and on two.
// Building it takes minutes: set ORDEAL_LONG=1.
func TestRaceBuildGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	if os.Getenv("ORDEAL_LONG") == "" || testing.Short() {
		t.Skip("builds with the race detector: set ORDEAL_LONG=1")
	}
	dir := t.TempDir()
	binaries := map[string]string{"plain": filepath.Join(dir, "plain"), "race": filepath.Join(dir, "race")}
	for name, path := range binaries {
		args := []string{"build", "-o", path}
		if name == "race" {
			args = append(args, "-race")
		}
		build := exec.CommandContext(t.Context(), "go", append(args, "../../cmd/ordeal")...)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, out)
		}
	}
	for _, mode := range []string{"cp", "ap"} {
		for seed := range 3 {
			want := historyOf(t, binaries["plain"], "2", mode, seed)
			for _, cores := range []string{"1", "2"} {
				if got := historyOf(t, binaries["race"], cores, mode, seed); !bytes.Equal(got, want) {
					t.Errorf("mode %s, seed %d, GOMAXPROCS=%s: the race build gives another history", mode, seed, cores)
				}
			}
		}
	}
}

// historyOf runs a binary and returns the bytes of its history.
func historyOf(t *testing.T, binary, cores, mode string, seed int) []byte {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, "run", "--set", "mode="+mode, "--nemesis", "partition,kill,pause,clock,power",
		"--seed", strconv.Itoa(seed), "--consistency", "promised", "--report=false", "--out", out)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+cores)
	if text, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 2 {
		t.Fatalf("%v: %v\n%s", cmd, err, text)
	}
	b, err := os.ReadFile(filepath.Join(out, "latest", "history.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
