package linear

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// corruption is something that happens at the end of a valid history and makes
// it invalid, whatever was before.
type corruption struct {
	model   Model
	what    string
	names   []string // under which it may be found; any if there is none
	happens []history.Op
}

// did is a completed operation of some process: with its argument, and its result
// if it has one.
func did(p history.Process, f string, values ...history.Value) history.Op {
	op := history.Op{Process: p, F: f, Value: history.Nil}
	if len(values) > 0 {
		op.Value = values[0]
	}
	if len(values) > 1 {
		op.Key = values[1] // for the completion, see after
	}
	return op
}

// after returns a history with operations one after the other behind it.
func after(h *history.History, ops []history.Op) *history.History {
	all := slices.Clone(h.Ops)
	for _, op := range ops {
		result := op.Key
		op.Key = history.Value{}
		op.Process += 1000
		op.Index, op.Time = len(all), int64(len(all))*1e6
		done := op
		done.Type, done.Index, done.Time = history.OK, op.Index+1, op.Time+1e6
		if !result.IsAbsent() {
			done.Value = result
		}
		all = append(all, op, done)
	}
	return &history.History{Ops: all}
}

func corruptions() []corruption {
	i, s, list := history.Int, history.String, history.Ints
	b, none := history.Bool, history.Nil
	read := func(k, v int64) history.Value { return history.List(history.List(s("read"), i(k), value(v))) }
	write := func(k, v int64) history.Value { return history.List(history.List(s("write"), i(k), value(v))) }
	grant := []string{"double-grant"}
	return []corruption{
		{CASRegister(), "two values at once", nil, []history.Op{did(0, "read", none, i(1)), did(0, "read", none, i(2))}},
		{MultiRegister(), "a lost write", []string{"stale-read", "thin-air-read", "nonlinearizable"}, []history.Op{did(0, "txn", write(0, 1)), did(1, "txn", read(0, 0), read(0, 2))}},
		{Mutex(), "a lock held twice", grant, []history.Op{did(0, "acquire"), did(1, "acquire")}},
		{Mutex(), "a lock released twice", []string{"unheld-release"}, []history.Op{did(0, "release"), did(1, "release")}},
		{Semaphore(3), "too many permits", grant, []history.Op{did(0, "acquire", i(3)), did(1, "acquire", i(1))}},
		{ReentrantMutex(), "a lock held by two", grant, []history.Op{did(0, "acquire"), did(1, "acquire")}},
		{FIFOQueue(), "an element that came from nowhere", []string{"unexpected", "nonlinearizable"}, []history.Op{did(0, "dequeue", none, i(77))}},
		{FIFOQueue(), "an element taken twice", []string{"duplicate", "lost", "reordered"}, []history.Op{did(0, "enqueue", i(77)), did(0, "dequeue", none, i(77)), did(0, "dequeue", none, i(77))}},
		{FIFOQueue(), "elements in the wrong order", []string{"reordered", "nonlinearizable"}, []history.Op{did(0, "enqueue", i(77)), did(0, "enqueue", i(78)), did(0, "dequeue", none, i(78)), did(0, "dequeue", none, i(77))}},
		{FIFOQueue(), "a lost element", []string{"lost", "reordered", "nonlinearizable"}, []history.Op{did(0, "enqueue", i(77)), did(0, "enqueue", i(78)), did(0, "dequeue", none, i(78))}},
		{FIFOQueue(), "a queue that is not empty", []string{"false-empty", "nonlinearizable"}, []history.Op{did(0, "enqueue", i(77)), did(0, "dequeue")}},
		{UnorderedQueue(), "an element that came from nowhere", []string{"unexpected", "nonlinearizable"}, []history.Op{did(0, "dequeue", none, i(77))}},
		{UnorderedQueue(), "an element taken twice", []string{"duplicate", "nonlinearizable"}, []history.Op{did(0, "enqueue", i(77)), did(0, "dequeue", none, i(77)), did(0, "dequeue", none, i(77))}},
		{UnorderedQueue(), "a queue that is not empty", []string{"false-empty", "nonlinearizable"}, []history.Op{did(0, "enqueue", i(77)), did(0, "dequeue")}},
		{Set(), "a lost element", []string{"stale-read", "nonlinearizable"}, []history.Op{did(0, "add", i(77)), did(0, "read", none, list())}},
		{Set(), "an element that came from nowhere", []string{"unexpected", "nonlinearizable"}, []history.Op{did(0, "contains", i(77), b(true))}},
		{Set(), "a removal that did not happen", []string{"stale-read"}, []history.Op{did(0, "add", i(77)), did(0, "remove", i(77)), did(0, "contains", i(77), b(true))}},
		{Counter(), "two numbers at once", []string{"wrong-count", "stale-read"}, []history.Op{did(0, "read", none, i(1)), did(0, "read", none, i(2))}},
		{KV(), "an overwritten text", []string{"nonlinearizable", "stale-read", "lost-write", "thin-air-read"}, []history.Op{did(0, "put", s("7")), did(0, "put", s("8")), did(0, "get", none, s("7"))}},
		{KV(), "the wrong order", []string{"reordered", "nonlinearizable", "thin-air-read"}, []history.Op{did(0, "put", s("7")), did(0, "append", s("8")), did(0, "append", s("9")), did(0, "get", none, s("798"))}},
		{Log(), "a lost element", []string{"stale-read"}, []history.Op{did(0, "append", i(77)), did(0, "read", none, list())}},
		{Log(), "a past that changed", []string{"incompatible-order", "lost"}, []history.Op{did(0, "append", i(77)), did(0, "append", i(78)), did(0, "read", none, list(77, 78)), did(0, "read", none, list(78, 77))}},
	}
}

// TestCorruptions sees valid histories accepted, and those that are corrupted in
// one way refused, with a certificate, under a name that fits.
func TestCorruptions(t *testing.T) {
	t.Parallel()
	for _, c := range corruptions() {
		t.Run(c.model.Name+"/"+c.what, func(t *testing.T) {
			t.Parallel()
			o := things()[slices.IndexFunc(things(), func(o thing) bool { return o.model.Name == c.model.Name })]
			rng := rand.New(rand.NewPCG(13, 13))
			for range fewer(60) {
				h := o.history(rng, 25, 4, 1, false)
				checker := New(Options{Model: o.model, Workers: 1})
				if r := checker.Check(t.Context(), h); r.Verdict != checkers.OK {
					t.Fatalf("not valid before: %v %s %+v\n%s", r.Verdict, r.Reason, r.Anomalies, show(h))
				}
				h = after(h, c.happens)
				r := checker.Check(t.Context(), h)
				if r.Verdict != checkers.Invalid || c.names != nil && !slices.Contains(c.names, r.Anomalies[0].Name) {
					t.Fatalf("%v %s %+v\n%s", r.Verdict, r.Reason, r.Anomalies, show(h))
				}
				proven(t, h, r)
			}
		})
	}
}

// TestLongViolations sees violations at the end of long histories explained by a
// few operations.
func TestLongViolations(t *testing.T) {
	t.Parallel()
	for _, c := range corruptions() {
		t.Run(c.model.Name+"/"+c.what, func(t *testing.T) {
			t.Parallel()
			o := things()[slices.IndexFunc(things(), func(o thing) bool { return o.model.Name == c.model.Name })]
			rng := rand.New(rand.NewPCG(15, 15))
			calls := 300
			if o.model.Name == FIFOQueue().Name {
				calls = 60 // elements that repeat are hard for a queue
			}
			h := after(o.history(rng, calls, 3, 1, false), c.happens)
			r := New(Options{Model: o.model, Workers: 1}).Check(t.Context(), h)
			if r.Verdict != checkers.Invalid || len(r.Anomalies[0].Ops) > 24 {
				t.Fatalf("%v %s %+v", r.Verdict, r.Reason, r.Anomalies)
			}
			var no *checkers.NoClaimError
			if _, err := r.Claim(); !errors.As(err, &no) {
				proven(t, h, r)
			}
		})
	}
}

// TestWide has Porcupine judge what is too wide for the frontier.
func TestWide(t *testing.T) {
	t.Parallel()
	h := after(new(history.History), []history.Op{did(0, "write", history.Int(1)), did(0, "write", history.Int(1))})
	for _, typ := range []history.Type{history.Invoke, history.OK} {
		for p := range 2 * history.Process(width) {
			op := history.Op{Index: len(h.Ops), Process: p, Type: typ, F: "read", Value: history.Int(1)}
			h.Ops = append(h.Ops, op)
		}
	}
	report := Check(t.Context(), h, Options{Model: Register()})
	if k := report.Keys[0]; k.Verdict != checkers.OK || k.Engine != Porcupine.String() {
		t.Errorf("%v by %v: %s", k.Verdict, k.Engine, k.Reason)
	}
	proven(t, h, New(Options{Model: Register()}).Check(t.Context(), h))
	if r := New(Options{Model: Register(), Engine: Frontier}).Check(t.Context(), h); r.Verdict != checkers.Unknown {
		t.Errorf("the frontier says %v", r.Verdict)
	}
}

// TestModelShapes shows violations of each model with their explanations.
func TestModelShapes(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/models.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Model: modelOf(t, d), Workers: 1})
	})
}

// modelOf reads a model from the arguments of a test.
func modelOf(t *testing.T, d *datadriven.TestData) Model {
	t.Helper()
	var name string
	d.ScanArgs(t, "model", &name)
	m, err := ModelNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	options := make(map[string]string)
	for _, arg := range d.CmdArgs {
		if arg.Key != "model" && arg.Key != "edges" {
			options[arg.Key] = arg.Vals[0]
		}
	}
	if m, err = m.With(options); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOptions sets the options of models by name.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ model, option, value, err string }{
		{"semaphore", "permits", "3", ""},
		{"semaphore", "permits", "0", `the option permits of the model semaphore is a whole number of at least 1, not "0"`},
		{"semaphore", "permit", "3", `the model semaphore has no option "permit": it has permits, owner`},
		{"fifo-queue", "nil", "any", `the model fifo-queue has no option "nil": it has none at all`},
		{"register", "nil", "any", ""},
		{"register", "nil", "some", `the option nil of the model register is any or value, not "some"`},
		{"register", "initial", "0", ""},
		{"counter", "initial", "x", `the option initial of the model counter is a whole number, not "x"`},
		{"mutex", "owner", "process", ""},
		{"reentrant-mutex", "limit", "2", ""},
	} {
		m, err := ModelNamed(tc.model)
		if err != nil {
			t.Fatal(err)
		}
		m, err = m.With(map[string]string{tc.option: tc.value})
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || err.Error() != tc.err) {
			t.Errorf("%s %s=%s: %v", tc.model, tc.option, tc.value, err)
		}
		var option *OptionError
		if err != nil && (!errors.As(err, &option) || option.Option != tc.option) {
			t.Errorf("%#v", err)
		}
		if p, perr := m.Parameters(); err == nil && (perr != nil || p[tc.option] != tc.value) {
			t.Errorf("%v %v", p, perr)
		}
	}
	if _, err := ModelNamed("registre"); err == nil {
		t.Error("there is no such model")
	}
}

// TestHostile judges histories that make no sense, by each model.
func TestHostile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: these are many histories")
	}
	i, s := history.Int, history.String
	values := []history.Value{
		history.Nil, i(1), i(2), i(-1), s("a"), s("b"), history.Ints(1, 2), history.Bool(true), history.Ints(),
		history.List(history.List(s("read"), i(0), i(1)), history.List(s("write"), i(0), i(2))),
	}
	names := []string{"read", "write", "cas", "add", "append", "enqueue", "dequeue", "acquire", "release", "get", "put", "txn", "contains", "remove"}
	of := map[string][]string{
		"register": {"read", "write", "delete"}, "cas-register": {"read", "write", "cas"}, "multi-register": {"txn"},
		"mutex": names[7:9], "reentrant-mutex": names[7:9], "semaphore": names[7:9], "fifo-queue": names[5:7], "unordered-queue": names[5:7],
		"set": {"add", "remove", "contains", "read"}, "counter": {"add", "read", "increment"}, "kv": {"get", "put", "append", "cas", "delete"}, "log": {"append", "read"},
	}
	for _, m := range Models() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			values := values
			if m.Name == "multi-register" {
				for v := range 3 {
					values = append(values, history.List(history.List(s("r"), i(0), value(int64(v)))), history.List(history.List(s("w"), i(0), value(int64(v)))))
				}
				values = values[9:]
			}
			hostile.Feed(t, New(Options{Model: m, Workers: 1}), of[m.Name], values)
		})
	}
}

// TestUnknownOperation says which operation a model does not have.
func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	for _, m := range Models() {
		h := after(new(history.History), []history.Op{did(0, "fly")})
		want := fmt.Sprintf("index 0: the model %s has no operation %q", m.Name, "fly")
		if r := New(Options{Model: m}).Check(t.Context(), h); r.Verdict != checkers.Unknown || r.Reason != want {
			t.Errorf("%v %s", r.Verdict, r.Reason)
		}
	}
}

// FuzzModels compares the checker with the definition, on histories that the
// fuzzer makes up, and has every certificate verified.
func FuzzModels(f *testing.F) {
	for i := range things() {
		f.Add(uint8(i), uint8(5), []byte{1, 200, 3, 77, 5, 6, 180, 9})
	}
	f.Fuzz(func(t *testing.T, which, calls uint8, data []byte) {
		all := things()
		o := all[int(which)%len(all)]
		rng := rand.New(&bytesSource{data, uint64(len(data))})
		h := o.history(rng, 1+int(calls)%7, 4, .7, which%2 == 0)
		agrees(t, &o, h, Auto)
		agrees(t, &o, h, Frontier)
	})
}

// bytesSource draws from bytes, and from a counter when they are used up.
type bytesSource struct {
	data []byte
	n    uint64
}

func (s *bytesSource) Uint64() uint64 {
	s.n += 0x9e3779b97f4a7c15
	if len(s.data) == 0 {
		return s.n * (s.n>>31 | 1)
	}
	v := uint64(s.data[0])
	s.data = s.data[1:]
	return v * 0x0101010101010101
}
