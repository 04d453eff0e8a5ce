package history

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// edgeInts are the integers at which 64-bit arithmetic, floats and JSON
// libraries go wrong.
var edgeInts = []int64{0, 1, -1, 1<<53 - 1, 1 << 53, 1<<53 + 1, -(1<<53 + 1), math.MaxInt64, math.MaxInt64 - 1,
	math.MinInt64, math.MinInt64 + 1, 999999999999999999, 1000000000000000000, -1000000000000000000, math.MaxInt32, math.MaxUint32}

var drawInt = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-9, 9), rapid.SampledFrom(edgeInts))

var drawName = rapid.StringMatching(`[a-z][a-zA-Z0-9.*+!_?<>=-]{0,12}`)

// drawScalar makes values that are no collections; json leaves out those that
// JSON has no kind for.
func drawScalar(json bool) *rapid.Generator[Value] {
	gens := []*rapid.Generator[Value]{
		rapid.Just(Nil),
		rapid.Map(rapid.Bool(), Bool),
		rapid.Map(drawInt, Int),
		rapid.Map(rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }), Float),
		rapid.Map(rapid.String(), String),
		rapid.Map(rapid.SampledFrom([]string{"18446744073709551616", "-9223372036854775809", "1e999"}), Tagged),
	}
	if !json {
		gens = append(gens,
			rapid.Map(rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1)}), Float),
			rapid.Map(drawName, Keyword),
			rapid.Map(rapid.SampledFrom([]string{"1/3", "-22/7", "1.50M", `#uuid "5f"`, `#inst "2026"`, "sym.bol/x", `#foo.Bar{:a 1}`, `#"a\"b"`}), Tagged))
	}
	return rapid.OneOf(gens...)
}

func drawValue(json bool, depth int) *rapid.Generator[Value] {
	scalar := drawScalar(json)
	if depth == 0 {
		return scalar
	}
	elem := rapid.Deferred(func() *rapid.Generator[Value] { return drawValue(json, depth-1) })
	elems := rapid.SliceOfN(elem, 0, 4)
	key := elem
	if json {
		key = rapid.Map(rapid.String(), String)
	}
	gens := []*rapid.Generator[Value]{
		scalar,
		rapid.Map(elems, func(vs []Value) Value { return List(vs...) }),
		rapid.Custom(func(t *rapid.T) Value {
			var kvs []Value
			for range rapid.IntRange(0, 3).Draw(t, "entries") {
				kvs = append(kvs, key.Draw(t, "key"), elem.Draw(t, "value"))
			}
			return Map(kvs...)
		}),
	}
	if !json {
		gens = append(gens,
			rapid.Map(elems, func(vs []Value) Value { return Set(vs...) }),
			rapid.Map(rapid.SliceOfN(elem, 2, 2), func(vs []Value) Value { return Tuple(vs[0], vs[1]) }))
	}
	return rapid.OneOf(gens...)
}

// drawOp makes operations. Their value is no tuple, because reading splits
// those into key and value.
func drawOp(json bool) *rapid.Generator[Op] {
	value := rapid.OneOf(rapid.Just(Value{}), drawValue(json, 3)).Filter(func(v Value) bool { return v.Kind() != KindTuple })
	return rapid.Custom(func(t *rapid.T) Op {
		return Op{
			Index:   rapid.IntRange(0, math.MaxInt).Draw(t, "index"),
			Time:    drawInt.Draw(t, "time"),
			Process: Process(rapid.Int32Range(-2, math.MaxInt32).Draw(t, "process")),
			Type:    rapid.SampledFrom([]Type{Invoke, OK, Fail, Info}).Draw(t, "type"),
			F:       rapid.OneOf(rapid.String(), drawName).Draw(t, "f"),
			Key:     value.Draw(t, "key"),
			Value:   value.Draw(t, "value"),
			Node:    rapid.String().Draw(t, "node"),
			Error:   rapid.String().Draw(t, "error"),
			Final:   rapid.Bool().Draw(t, "final"),
		}
	})
}

// inOrder gives operations what a recorder gives them.
func inOrder(ops []Op) []Op {
	for i := range ops {
		ops[i].Index, ops[i].Time = i, int64(i)*1000
	}
	return ops
}

func sameOp(a, b Op) bool {
	return a.Index == b.Index && a.Time == b.Time && a.Process == b.Process && a.Type == b.Type && a.F == b.F &&
		a.Key.Equal(b.Key) && a.Value.Equal(b.Value) && a.Node == b.Node && a.Error == b.Error && a.Final == b.Final
}

func sameOps(a, b []Op) bool { return slices.EqualFunc(a, b, sameOp) }

// showOps prints operations for a failure message.
func showOps(ops []Op) string {
	var b []byte
	for i := range ops {
		b = append(AppendEDN(b, &ops[i]), '\n')
	}
	return string(b)
}

// register makes a history of the kind that the register workload records:
// n pairs, of unique writes and reads of 20 keys by 50 processes.
func register(n int) []Op {
	ops := make([]Op, 0, 2*n)
	for i := range n {
		inv := Op{Index: 2 * i, Time: int64(i) * 5_000_123, Process: Process(i % 50), F: "write",
			Key: String(fmt.Sprintf("k%d", i*7%20)), Value: Int(int64(i)), Node: fmt.Sprintf("n%d", i%5+1)}
		if i%2 == 1 {
			inv.F, inv.Value = "read", Value{}
		}
		done := inv
		done.Index, done.Time, done.Type = 2*i+1, inv.Time+1_200_000+int64(i*i%777_777), OK
		done.Value = Int(int64(i) - 1)
		ops = append(ops, inv, done)
	}
	return ops
}

func lines(ops []Op, appendOp func([]byte, *Op) []byte) string {
	var b strings.Builder
	for i := range ops {
		b.Write(append(appendOp(nil, &ops[i]), '\n'))
	}
	return b.String()
}

func mustRead(t testing.TB, text string) *History {
	t.Helper()
	h, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newBuffered(file []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(file)) }
