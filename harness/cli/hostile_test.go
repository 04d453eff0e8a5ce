package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/registry"
)

// repeat reads as n times the same bytes, without holding them.
func repeat(s string, n int) io.Reader { return &repeated{text: s, left: n * len(s)} }

type repeated struct {
	text     string
	at, left int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) && r.left > 0 {
		c := copy(b[n:min(len(b), n+r.left)], r.text[r.at:])
		n, r.left, r.at = n+c, r.left-c, (r.at+c)%len(r.text)
	}
	return n, nil
}

// What comes from a stranger gets one clear line with its place, in bounded
// memory, and never a panic.
func TestHostileHistories(t *testing.T) {
	t.Parallel()
	write := func(value string) string {
		return fmt.Sprintf("{:process 0, :type :invoke, :f :write, :value %s}\n{:process 0, :type :ok, :f :write, :value %[1]s}\n", value)
	}
	for name, c := range map[string]struct {
		in   io.Reader
		code int
		want string
	}{
		"a line of a gigabyte": {
			io.MultiReader(strings.NewReader(`{"process":0,"type":"invoke","f":"write","value":"`), repeat("x", 1<<30)),
			cli.ExitUsage, "byte 0, line 1: one record takes more than 67108864 bytes",
		},
		"a line of brackets": {
			io.MultiReader(strings.NewReader(`{"process":0,"type":"invoke","f":"write","value":`), repeat("[", 10_000), repeat("]", 10_000), strings.NewReader("}")),
			cli.ExitUsage, "line 1: collections nest deeper than 500",
		},
		"brackets in EDN": {
			io.MultiReader(strings.NewReader(`{:process 0, :type :invoke, :f :write, :value `), repeat("#{", 10_000), repeat("}", 10_001)),
			cli.ExitUsage, "line 1: collections nest deeper than 500",
		},
		"a value of 65 bits":    {strings.NewReader(write("18446744073709551616")), cli.ExitOK, "OK"},
		"an index of 65 bits":   {strings.NewReader("{:index 18446744073709551616, :process 0, :type :invoke, :f :write, :value 1}"), cli.ExitUsage, "line 1: index 18446744073709551616"},
		"a time of 65 bits":     {strings.NewReader("{:time 18446744073709551616, :process 0, :type :invoke, :f :write, :value 1}"), cli.ExitUsage, "line 1: time 18446744073709551616"},
		"a process of 65 bits":  {strings.NewReader("{:process 18446744073709551616, :type :invoke, :f :write, :value 1}"), cli.ExitUsage, "line 1: process 18446744073709551616"},
		"an index twice":        {strings.NewReader("{:index 3, :process 0, :type :invoke, :f :write, :value 1}\n{:index 3, :process 0, :type :ok, :f :write, :value 1}"), cli.ExitUsage, "line 2: the index repeats"},
		"an end of nothing":     {strings.NewReader("{:process 4, :type :ok, :f :write, :value 1}"), cli.ExitUsage, "index 0: process 4 completes write, which it did not invoke"},
		"time that goes back":   {strings.NewReader("{:time 9, :process 0, :type :invoke, :f :write, :value 1}\n{:time 3, :process 0, :type :ok, :f :write, :value 1}"), cli.ExitOK, "line 2: the time goes back"},
		"not text":              {repeat("\x00\xff", 1<<20), cli.ExitUsage, "byte 0, line 1"},
		"more than fits":        {repeat(`{"process":"nemesis","type":"info","f":"x"}`+"\n", 1<<20), cli.ExitUnknown, "the history needs more memory than it may take"},
		"an operation too much": {strings.NewReader("{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :invoke, :f :write, :value 2}"), cli.ExitUsage, "index 1: process 0 invokes write while its write of index 0 is open"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := cli.Main(registry.Builtin(), []string{"check", "-", "--workload", "register", "--memory", "150MB"}, c.in, &out, &errOut)
			said := out.String() + errOut.String()
			if code != c.code || !strings.Contains(said, c.want) {
				t.Errorf("exit code %d, want %d with %q, but it said\n%s", code, c.code, c.want, said)
			}
			if code == cli.ExitUsage && (strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0) {
				t.Errorf("more than one line:\n%s", said)
			}
		})
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapSys > 2<<30 {
		t.Errorf("the heap has grown to %d MiB", m.HeapSys>>20)
	}
}
