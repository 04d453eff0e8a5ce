package mytarget_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/docs/mytarget"
	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/registry"
)

func ordeal(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "--target", "mytarget", "--workload", "register", "--seed", "1", "--out", t.TempDir())
	code = cli.Main(registry.With(mytarget.New()), args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestItKeepsItsPromise(t *testing.T) {
	t.Parallel()
	if code, out := ordeal(t, "run", "--nemesis", "partition,kill,pause,clock,power"); code != cli.ExitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestOrdealFindsTheFlaw is the point of the page: a setting that looks
// harmless, and what it costs.
func TestOrdealFindsTheFlaw(t *testing.T) {
	t.Parallel()
	code, out := ordeal(t, "run", "--set", "sync=off", "--nemesis", "power", "--fault", "power.targets=all")
	if code != cli.ExitInvalid {
		t.Errorf("exit code %d, want invalid\n%s", code, out)
	}
}

// TestThePageShowsThisCode holds the page against the files it quotes.
func TestThePageShowsThisCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../test-your-own-system.md")
	if err != nil {
		t.Fatal(err)
	}
	var code string
	for _, name := range []string{"mytarget.go", "cmd/main.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code += string(b)
	}
	for i, block := range strings.Split(string(page), "```go\n")[1:] {
		quoted, _, _ := strings.Cut(block, "```")
		if !strings.Contains(code, quoted) {
			t.Errorf("block %d of the page is not in the code:\n%s", i+1, quoted)
		}
	}
}
