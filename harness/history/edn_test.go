package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

var kindNames = map[Kind]string{KindNil: "nil", KindBool: "bool", KindInt: "int", KindFloat: "float", KindString: "string",
	KindKeyword: "keyword", KindList: "list", KindSet: "set", KindMap: "map", KindTuple: "tuple", KindTagged: "tagged"}

func TestEDN(t *testing.T) {
	t.Parallel()
	datadriven.RunTest(t, "testdata/edn", func(_ *testing.T, d *datadriven.TestData) string {
		v, err := parseEDN([]byte(d.Input))
		if err != nil {
			return fmt.Sprintf("error: %v\n", err)
		}
		return fmt.Sprintf("%s %v\n", kindNames[v.Kind()], v)
	})
}

// EDN has every kind of value, so all of them come back as they were.
func TestEDNRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(false, 4).Draw(t, "value")
		text := v.AppendEDN(nil)
		got, err := parseEDN(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !got.Equal(v) {
			t.Fatalf("%s\ncomes back as\n%s", text, got.AppendEDN(nil))
		}
	})
}

func TestEDNHistoryRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ops := inOrder(rapid.SliceOfN(drawOp(false), 0, 5).Draw(t, "ops"))
		text := lines(ops, AppendEDN)
		h, err := Read(strings.NewReader(text))
		if err != nil || h.Torn != nil || len(h.Warnings) > 0 {
			t.Fatalf("%v, %+v\n%s", err, h, text)
		}
		if !sameOps(h.Ops, ops) {
			t.Fatalf("%s\ncomes back as\n%s", text, showOps(h.Ops))
		}
	})
}

// The ways in which Jepsen, Knossos and Elle have written histories.
func TestJepsenHistories(t *testing.T) {
	t.Parallel()
	want := []Op{
		{Index: 0, Time: 5, Process: 0, Type: Invoke, F: "cas", Key: Int(3), Value: Ints(1, 2)},
		{Index: 1, Time: 7, Process: Nemesis, Type: Info, F: "start", Value: Keyword("majority")},
		{Index: 2, Time: 9, Process: 0, Type: Info, F: "cas", Key: Int(3), Value: Ints(1, 2), Error: "net-timeout: 5 s"},
	}
	a := `:type :invoke, :f :cas, :value #jepsen.independent.Tuple[3 [1 2]], :time 5, :process 0`
	b := `:type :info, :f :start, :value :majority, :time 7, :process :nemesis`
	c := `:type :info, :f :cas, :value #jepsen.independent.Tuple[3 [1 2]], :time 9, :process 0, :error [:net-timeout "5 s"], :exception {:via [{:type X}]}`
	for name, text := range map[string]string{
		"lines":         "{" + a + "}\n{" + b + "}\n{" + c + "}\n",
		"no last line":  "{" + a + "}\n{" + b + "}\n{" + c + "}",
		"vector":        "; a comment\n[{" + a + "}\n {" + b + "}\n {" + c + "}]\n; the end",
		"list":          "({" + a + "}, {" + b + "}, #_{" + c + "} {" + c + "})",
		"records":       "#jepsen.history.Op{:index 0, " + a + "}\n#jepsen.history.Op{:index 1, " + b + "}\n#jepsen.history.Op{:index 2, " + c + "}",
		"tagged":        "#jepsen.history.DenseHistory [{" + a + "} {" + b + "} {" + c + "}]",
		"namespaced":    "#:jepsen{" + a + "} #:jepsen{" + b + "} #:jepsen{" + c + "}",
		"not indexed":   "{:index nil " + a + "}{:index -1 " + b + "}{" + c + "}",
		"sleep and log": "{:type :log :value \"x\"}{" + a + "}{" + b + "}{:type :sleep, :value 5, :process 1}{" + c + "}",
		"byte order":    "\ufeff  {" + a + "}\n{" + b + "}\n{" + c + "}",
	} {
		h := mustRead(t, text)
		if h.Torn != nil || len(h.Warnings) > 0 || !sameOps(h.Ops, want) {
			t.Errorf("%s: torn %v, warnings %v\n%s", name, h.Torn, h.Warnings, showOps(h.Ops))
		}
	}
}

func TestEmptyEDN(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n\t", "[]", "()", " [ ] \n", "; nothing", "; nothing\n", "#_{:type :ok}", "\ufeff"} {
		if h := mustRead(t, text); len(h.Ops) != 0 || h.Torn != nil {
			t.Errorf("%q: %+v", text, h)
		}
	}
}
