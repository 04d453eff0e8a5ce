package drawing

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// calls are two transactions that each saw what the other wrote, and one whose
// outcome nobody knows.
func calls(t *testing.T) []history.Call {
	t.Helper()
	h, err := history.Read(strings.NewReader(`
{:process 0, :type :invoke, :f :txn, :value [[:append :x 1] [:r :y nil]]}
{:process 1, :type :invoke, :f :txn, :value [[:append :y 1] [:r :x nil]]}
{:process 2, :type :invoke, :f :txn, :value [[:append :y "<script>"]]}
{:process 0, :type :ok, :f :txn, :value [[:append :x 1] [:r :y [1]]]}
{:process 1, :type :ok, :f :txn, :value [[:append :y 1] [:r :x [1]]]}
{:process 2, :type :info, :f :txn, :value [[:append :y "<script>"]]}
{:process 1, :type :invoke, :f :txn, :value [[:r :x nil]]}
{:process 1, :type :ok, :f :txn, :value [[:r :x [1]]]}`))
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Calls()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func g1c() checkers.Anomaly {
	return checkers.Anomaly{
		Name: "G1c", Explanation: "each saw what the other wrote", Ops: []int{0, 1, 2, 6}, Key: "x & y",
		Edges: []checkers.Edge{
			{From: 0, To: 1, Kind: "wr", Key: "x", Why: "1 read what 0 appended to x"},
			{From: 1, To: 0, Kind: "wr", Key: "y", Why: "0 read what 1 appended to y"},
		},
	}
}

// wellFormed fails if a drawing is no XML, and returns the words in it.
func wellFormed(t *testing.T, drawing string) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(drawing)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, drawing)
		}
		if words, ok := token.(xml.CharData); ok {
			text.Write(words)
			text.WriteByte('\n')
		}
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	text := wellFormed(t, Draw(calls(t), g1c()))
	for _, want := range []string{"G1c of x & y", "wr on x", "wr on y", "each saw what the other wrote", "0 → 1 (wr): 1 read what 0 appended to x", "<script>", "p2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the drawing, which says\n%s", want, text)
		}
	}
}

// Whatever an anomaly says, its drawing can be shown.
func TestDrawOddities(t *testing.T) {
	t.Parallel()
	odd := map[string]checkers.Anomaly{
		"nothing":         {},
		"strange indexes": {Name: "x", Ops: []int{-5, 1, 1, 99}, Edges: []checkers.Edge{{From: 99, To: -5}, {From: -5, To: 99}}},
		"a self-loop":     {Name: "x", Ops: []int{0}, Edges: []checkers.Edge{{From: 0, To: 0, Kind: "rw"}}},
		"hostile words":   {Name: "</svg><script>", Explanation: strings.Repeat("x\x00\x1b[2J<b>", 5000), Ops: []int{0}, Edges: []checkers.Edge{{Kind: "\"><a"}}},
	}
	for name, anomaly := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wellFormed(t, Draw(calls(t), anomaly))
			wellFormed(t, Draw(nil, anomaly))
		})
	}
}

func FuzzDraw(f *testing.F) {
	f.Add("G1c", "wr", "because", 0, 1)
	f.Add("\x00", "]]>", "&amp;", -1, 1<<40)
	f.Fuzz(func(t *testing.T, name, kind, why string, from, to int) {
		anomaly := checkers.Anomaly{Name: name, Explanation: why, Ops: []int{from, to}, Key: kind, Edges: []checkers.Edge{
			{From: from, To: to, Kind: kind, Key: name, Why: why}, {From: to, To: from, Kind: kind, Why: why},
		}}
		wellFormed(t, Draw(calls(t), anomaly))
	})
}
