package history

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	for _, typ := range []Type{Invoke, OK, Fail, Info} {
		if got, err := ParseType(typ.String()); err != nil || got != typ {
			t.Errorf("%v is parsed as %v, %v", typ, got, err)
		}
	}
	if _, err := ParseType("done"); err == nil || Type(9).String() != "type(9)" {
		t.Errorf("done is a type: %v", err)
	}
	if Nemesis.String() != "nemesis" || NoProcess.String() != "none" || Process(12).String() != "12" {
		t.Error("a process is misnamed")
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	h := mustRead(t, `
{"process":0,"type":"invoke","f":"write","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":"nemesis","type":"info","f":"fault"}
{"process":1,"type":"ok","f":"read","value":1}
{"process":1,"type":"invoke","f":"cas","value":[1,2]}
{"process":"nemesis","type":"info","f":"fault"}
{"process":1,"type":"info","f":"cas","value":null}`)
	calls, err := h.Calls()
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		f     string
		typ   Type
		value Value
	}{{"write", Info, Int(1)}, {"read", OK, Int(1)}, {"cas", Info, Ints(1, 2)}}
	if len(calls) != len(want) {
		t.Fatalf("%d calls, want %d", len(calls), len(want))
	}
	for i, w := range want {
		if c := calls[i]; c.Invoke.F != w.f || c.Type() != w.typ || !c.Value().Equal(w.value) {
			t.Errorf("call %d is %s %v %v, want %s %v %v", i, c.Invoke.F, c.Type(), c.Value(), w.f, w.typ, w.value)
		}
	}
}

func TestCallsErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"process":3,"type":"invoke","f":"a"}{"process":3,"type":"invoke","f":"b"}`: "index 1: process 3 invokes b while its a of index 0 is open",
		`{"process":3,"type":"ok","f":"a"}`:                                          "index 0: process 3 completes a, which it did not invoke",
		`{"process":3,"type":"invoke","f":"a"}{"process":3,"type":"ok","f":"b"}`:     "index 1: process 3 completes b, but it invoked a at index 0",
	} {
		if _, err := mustRead(t, text).Calls(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	h := mustRead(t, `
{"time":1,"process":"nemesis","type":"info","f":"fault","value":{"id":1,"kind":"partition","step":"inject","nodes":["n1","n2"]}}
{"time":2,"process":"nemesis","type":"info","f":"fault","value":{"id":1,"kind":"partition","step":"injected","nodes":["n1","n2"],"witness":"confirmed"}}
{"time":3,"process":"nemesis","type":"info","f":"fault","value":{"id":2,"kind":"kill","step":"inject","nodes":["n3"]}}
{"time":4,"process":"nemesis","type":"info","f":"fault","value":{"id":2,"kind":"kill","step":"injected","nodes":["n3"],"witness":"inconclusive"}}
{"time":5,"process":"nemesis","type":"info","f":"fault","value":{"id":3,"kind":"pause","step":"inject"},"error":"no such node"}
{"time":6,"process":"nemesis","type":"info","f":"fault","value":{"id":1,"kind":"partition","step":"heal"}}
{"time":7,"process":"nemesis","type":"info","f":"fault","value":{"id":1,"kind":"partition","step":"healed","exercised":true,"witness":"ineffective"}}
{"time":9,"process":0,"type":"invoke","f":"fault","value":{"id":9,"step":"injected"}}`)
	ws := h.Windows()
	if len(ws) != 2 {
		t.Fatalf("%d windows, want 2", len(ws))
	}
	cut, kill := ws[0], ws[1]
	if cut.Kind != "partition" || !slices.Equal(cut.Nodes, []string{"n1", "n2"}) || cut.Start != 2 || cut.End != 6 || cut.Healed != 7 ||
		!cut.Exercised || cut.Witness != Ineffective {
		t.Errorf("the partition is %+v", cut)
	}
	if kill.Start != 4 || kill.End != 9 || kill.Healed != 0 || kill.Exercised || kill.Witness != Inconclusive {
		t.Errorf("the kill is %+v", kill)
	}
	for _, c := range []struct {
		a, b int64
		want bool
	}{{0, 1, false}, {0, 2, true}, {3, 4, true}, {6, 8, true}, {7, 8, false}, {0, 9, true}} {
		if cut.Overlaps(c.a, c.b) != c.want {
			t.Errorf("Overlaps(%d, %d) is not %v", c.a, c.b, c.want)
		}
	}
}

// Compare is a total order that knows sets and maps, and Equal agrees with it.
func TestCompare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(drawValue(false, 2), 3, 3).Draw(t, "values")
		slices.SortFunc(vs, Value.Compare)
		a, b, c := vs[0], vs[1], vs[2]
		if same := a; a.Compare(same) != 0 || a.Compare(b) != -b.Compare(a) || a.Compare(b) > 0 || b.Compare(c) > 0 || a.Compare(c) > 0 {
			t.Fatalf("no order of %v, %v, %v", a, b, c)
		}
		if a.Equal(b) != (a.Compare(b) == 0) {
			t.Fatalf("%v and %v are equal or not", a, b)
		}
		set := rapid.Permutation(vs).Draw(t, "shuffled")
		if !Set(vs...).Equal(Set(set...)) || List(vs...).Equal(Set(vs...)) {
			t.Fatalf("sets %v and %v differ", Set(vs...), Set(set...))
		}
		kvs := func(vs []Value) (kvs []Value) {
			for i, v := range vs {
				kvs = append(kvs, Tuple(v, Int(int64(i))), Nil)
			}
			return kvs
		}(vs)
		turned := append(slices.Clone(kvs[4:]), kvs[:4]...)
		if !Map(kvs...).Equal(Map(turned...)) {
			t.Fatalf("maps %v and %v differ", Map(kvs...), Map(turned...))
		}
	})
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	m := Map(Keyword("a"), Int(1), String("b"), Nil, Int(3), Bool(true))
	if n, ok := m.Get("a").Int(); !ok || n != 1 || m.Get("b").Kind() != KindNil || !m.Get("3").IsAbsent() || !Int(1).Get("a").IsAbsent() {
		t.Errorf("Get of %v", m)
	}
	if f, ok := Int(2).Float(); !ok || f != 2 {
		t.Error("an integer is no number")
	}
	if f, ok := Float(-0.5).Float(); !ok || f != -0.5 {
		t.Error("a float is another number")
	}
	if _, ok := String("2").Float(); ok || !(Value{}).IsNil() || !Nil.IsNil() || Nil.IsAbsent() || Int(0).IsNil() {
		t.Error("a kind is mistaken for another")
	}
	if v, ok := Bool(true).Bool(); !v || !ok || Int(1).Text() != "" || Int(1).Elems() != nil {
		t.Error("an accessor of another kind")
	}
	if got := List(Value{}, Nil, Float(math.Inf(1)), Set(Int(1)), Keyword("k"), m).String(); got != `[- nil +Inf #{1} :k {:a 1 "b" nil 3 true}]` {
		t.Errorf("printed as %s", got)
	}
	defer func() {
		if r, ok := recover().(string); !ok || !strings.Contains(r, "value for every key") {
			t.Error("a map of a key alone does not panic")
		}
	}()
	Map([]Value{Int(1)}...) //nolint:staticcheck // that is the point
}
