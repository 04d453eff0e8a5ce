package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// judgedBy says how somebody would ask for what an oracle's file was judged by.
var judgedBy = map[string][]string{
	"elle-list-append":       {"--workload", "list-append"},
	"elle-rw-register":       {"--workload", "rw-register"},
	"jepsen-bank":            {"--workload", "bank"},
	"jepsen-counter":         {"--workload", "counter"},
	"jepsen-long-fork":       {"--workload", "long-fork"},
	"jepsen-set":             {"--workload", "set"},
	"jepsen-set-full":        {"--workload", "set-full"},
	"jepsen-total-queue":     {"--workload", "total-queue"},
	"jepsen-unique-ids":      {"--workload", "unique-ids"},
	"knossos-cas-register":   {"--model", "cas-register"},
	"knossos-fifo-queue":     {"--model", "fifo-queue"},
	"knossos-multi-register": {"--model", "multi-register"},
	"knossos-mutex":          {"--model", "mutex"},
	"knossos-register":       {"--model", "register"},
	"knossos-set":            {"--model", "set"},
}

// agreement counts how verdicts compare with those of the oracle: unknown and
// gaveUp are those where only one of both came to a verdict.
type agreement struct{ equal, unknown, gaveUp, differ int }

// TestOracles asks the command line for a verdict on every recorded case of
// other tools, as their users would. The checkers' own tests say why there are
// differences.
func TestOracles(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the checkers' own tests look at these cases too")
	}
	for file, args := range judgedBy {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			got, dir := agreement{}, t.TempDir()
			for _, c := range oracle.Vectors(t, file) {
				got.add(t, c, args, dir)
			}
			if want := agreements[file]; got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// confirm has the certificate of a verdict verified.
func confirm(t *testing.T, c oracle.Case, certificate string) {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := cli.Main(registry.Builtin(), []string{"verify", "--json", "-", certificate}, strings.NewReader(c.History), &out, &errOut); code != cli.ExitOK {
		t.Errorf("%s: the certificate is refused: %s%s", c.ID, &out, &errOut)
	}
	_ = os.Remove(certificate)
}

func (a *agreement) add(t *testing.T, c oracle.Case, args []string, dir string) {
	t.Helper()
	certificate := filepath.Join(dir, "certificate.json")
	args = append([]string{"check", "-", "--certificate", certificate}, append(args, options(c.Options)...)...)
	var out, errOut bytes.Buffer
	code := cli.Main(registry.Builtin(), args, strings.NewReader(c.History), &out, &errOut)
	if code == cli.ExitOK || code == cli.ExitInvalid {
		confirm(t, c, certificate)
	}
	valid, decided := c.Expect.Valid.(bool)
	switch {
	case code != cli.ExitOK && code != cli.ExitInvalid && code != cli.ExitUnknown:
		t.Errorf("%s: exit code %d\n%s", c.ID, code, &errOut)
	case !decided:
		a.gaveUp++
	case code == cli.ExitUnknown:
		a.unknown++
	case valid == (code == cli.ExitOK):
		a.equal++
	default:
		a.differ++
	}
}

var optionPattern = regexp.MustCompile(`:([a-z-]+)\?? (\[[^\]]*\]|[^ ,}]+)`)

// options translates the options of the case into those of the command line.
func options(edn string) []string {
	var args []string
	for _, m := range optionPattern.FindAllStringSubmatch(edn, -1) {
		name, value := m[1], strings.ReplaceAll(strings.Trim(m[2], "[]"), " ", ",")
		if name == "consistency-models" {
			args = append(args, "--consistency", strings.TrimPrefix(value, ":"))
			continue
		}
		if name != "init" {
			args = append(args, "--opt", fmt.Sprintf("%s=%s", name, value))
		}
	}
	return args
}

// agreements is how many cases of each file agree. Where only the oracle came to a
// verdict, no operation that the checker looks at was ok; where verdicts differ, ours
// is invalid and proven, see docs/elle-differences.md and docs/jepsen-differences.md.
var agreements = map[string]agreement{
	"elle-list-append":       {equal: 2992, gaveUp: 158},
	"elle-rw-register":       {equal: 2362, gaveUp: 132, differ: 106},
	"jepsen-bank":            {equal: 474, unknown: 26},
	"jepsen-counter":         {equal: 483, unknown: 17},
	"jepsen-long-fork":       {equal: 467, unknown: 17, differ: 16},
	"jepsen-set":             {equal: 371, gaveUp: 129},
	"jepsen-set-full":        {equal: 309, gaveUp: 79, differ: 112},
	"jepsen-total-queue":     {equal: 490, unknown: 10},
	"jepsen-unique-ids":      {equal: 498, unknown: 2},
	"knossos-cas-register":   {equal: 2941, unknown: 59},
	"knossos-fifo-queue":     {equal: 375, unknown: 10},
	"knossos-multi-register": {equal: 600},
	"knossos-mutex":          {equal: 475, unknown: 25},
	"knossos-register":       {equal: 998, unknown: 2},
	"knossos-set":            {equal: 497, unknown: 3},
}
