package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Value reads one value that is written in EDN.
func Value(t *testing.T, text string) history.Value {
	t.Helper()
	h, err := history.Read(strings.NewReader("{:index 0, :time 0, :process 0, :type :invoke, :f :x, :value " + text + "}\n"))
	if err != nil || len(h.Ops) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return h.Ops[0].Value
}

// Verdict returns the verdict of the other tool by the name that ours have.
func (c Case) Verdict() string {
	switch c.Expect.Valid {
	case true:
		return "ok"
	case false:
		return "invalid"
	default:
		return "unknown"
	}
}

// Jepsen reads the inputs of the tests of Jepsen for a checker, as in
// "jepsen-counter".
func Jepsen(t *testing.T, checker string) []Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Path(t, "corpora", "jepsen-tests"), "*-"+checker+".edn"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories of %s: %v", checker, err)
	}
	var cases []Case
	for _, file := range files {
		c := Case{ID: filepath.Base(file), History: read(t, file)}
		expect := Value(t, read(t, strings.TrimSuffix(file, ".edn")+".expect.edn"))
		c.Options = expect.Get("opts").String()
		c.Expect.Result = expect.Get("result").String()
		if valid, ok := expect.Get("valid?").Bool(); ok {
			c.Expect.Valid = valid
		}
		cases = append(cases, c)
	}
	return cases
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
