package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func all() []Workload { return []Workload{Register(), Set()} }

func paramsOf(t testing.TB, w Workload, seed uint64, given map[string]string, fs ...string) Params {
	t.Helper()
	o, err := w.Fill(given)
	if err != nil {
		t.Fatal(err)
	}
	return Params{Options: o, Fs: fs, Choices: choice.New(seed)}
}

// simulate runs a generator against clients that take some time and of which
// some fail and some never answer.
func simulate(t testing.TB, g gen.Gen, records int) []history.Op {
	t.Helper()
	n := 0
	ops, err := gen.Simulate(g, gen.Sim{Clients: 7, Nodes: 3, MaxOps: records, Latency: func(history.Op) (time.Duration, history.Type) {
		n++
		return time.Duration(n%5+1) * time.Millisecond, []history.Type{history.OK, history.OK, history.OK, history.Fail, history.Info}[n%5]
	}})
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// No value is ever written twice, reads come as often as they should, and a
// compare-and-set expects what was last seen under its key, or what somebody tried
// to write just before. (Here reads see nothing, and then there is nothing to
// compare with.)
func TestRegisterOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		p := paramsOf(t, Register(), seed, map[string]string{"keys": "4"}, "read", "write", "cas")
		kinds, written, seen := map[string]int{}, map[int64]bool{}, map[string]history.Value{}
		tried, eager := history.Op{}, 0
		for _, op := range simulate(t, Register().Generator(p), 6000) {
			fresh := op.Value
			if op.F == "cas" {
				fresh = op.Value.Elems()[1]
			}
			if op.Type != history.Invoke {
				if op.Type == history.OK {
					seen[op.Key.Text()] = fresh
				}
				continue
			}
			kinds[op.F]++
			if v, isInt := fresh.Int(); op.F != "read" {
				if !isInt || written[v] {
					t.Fatalf("seed %d: %v writes a value that was written before", seed, op)
				}
				written[v] = true
			}
			if op.F == "cas" && !op.Value.Elems()[0].Equal(seen[op.Key.Text()]) {
				if !op.Key.Equal(tried.Key) || !op.Value.Elems()[0].Equal(tried.Value) {
					t.Fatalf("seed %d: %v expects %v, but %v was last seen, and last tried was %v", seed, op, op.Value.Elems()[0], seen[op.Key.Text()], tried)
				}
				eager++
			}
			if op.F != "read" {
				tried = history.Op{Key: op.Key, Value: fresh}
			}
		}
		if eager < kinds["cas"]/10 || eager > kinds["cas"]/2 {
			t.Errorf("seed %d: %d of %d expect what is on its way", seed, eager, kinds["cas"])
		}
		if kinds["read"] < 1300 || kinds["write"] < 800 || kinds["cas"] < 150 || len(kinds) != 3 {
			t.Errorf("seed %d: %v", seed, kinds)
		}
	}
}

// A target without compare-and-set is not asked for it, and all keys are used.
func TestRegisterWithoutCAS(t *testing.T) {
	t.Parallel()
	p := paramsOf(t, Register(), 1, map[string]string{"keys": "3"}, "read", "write")
	keys := map[string]int{}
	for _, op := range simulate(t, Register().Generator(p), 3000) {
		if op.F == "cas" {
			t.Fatal("a compare-and-set")
		}
		keys[op.Key.Text()]++
	}
	if len(keys) != 3 || min(keys["k1"], keys["k2"], keys["k3"]) < 800 {
		t.Errorf("keys %v", keys)
	}
}

// Word of changes is passed on: a client reads a key and writes another one, and a
// client that reads that looks at the first key next.
func TestRegisterRelays(t *testing.T) {
	t.Parallel()
	p := paramsOf(t, Register(), 1, map[string]string{"keys": "200", "active": "0"}, "read", "write")
	last, word, heard, relays := map[history.Process]history.Op{}, map[string]history.Op{}, map[history.Process]string{}, 0
	for _, op := range simulate(t, gen.Delay(10*time.Millisecond, Register().Generator(p)), 6000) {
		if op.Type != history.Invoke {
			continue
		}
		key, by := op.Key.Text(), op.Process
		switch before, known := last[by]; {
		case op.F == "write" && known && before.F == "read":
			word[key] = before
		case op.F == "read" && heard[by] == key:
			relays++
		}
		heard[by] = ""
		if w, told := word[key]; told && op.F == "read" && w.Process != by {
			heard[by] = w.Key.Text()
		}
		last[by] = op
	}
	if relays < 30 {
		t.Errorf("%d relays", relays)
	}
}

// Deletes come as often as they should, on every fourth key, and nothing is compared
// with what was deleted. A target that has none is not asked for them.
func TestRegisterDeletes(t *testing.T) {
	t.Parallel()
	options := map[string]string{"keys": "8", "active": "0", "deletes": "100"}
	p := paramsOf(t, Register(), 1, options, "read", "write", "cas", "delete")
	kinds, deleted, tried := map[string]int{}, map[string]bool{}, history.Op{}
	for _, op := range simulate(t, Register().Generator(p), 6000) {
		if op.Type == history.OK {
			deleted[op.Key.Text()] = op.F == "delete"
		}
		if op.Type != history.Invoke {
			continue
		}
		kinds[op.F]++
		switch op.F {
		case "cas":
			if deleted[op.Key.Text()] && !op.Value.Elems()[0].Equal(tried.Value) {
				t.Fatalf("%v, after a delete", op)
			}
			tried = history.Op{Value: op.Value.Elems()[1]}
		case "write":
			tried = op
		case "delete":
			if key := op.Key.Text(); key != "k4" && key != "k8" {
				t.Fatalf("%s was deleted", key)
			}
		}
	}
	if kinds["delete"] < 300 || kinds["delete"] > 450 {
		t.Errorf("%v", kinds)
	}
	p = paramsOf(t, Register(), 1, options, "read", "write", "cas")
	if ops := simulate(t, Register().Generator(p), 1000); slices.ContainsFunc(ops, func(op history.Op) bool { return op.F == "delete" }) {
		t.Error("a delete")
	}
}

// Where fewer keys are in use than there are, they are a window that moves over all
// of them, more than once if there is time. A part of the operations goes to any key.
func TestRegisterWindow(t *testing.T) {
	t.Parallel()
	p := paramsOf(t, Register(), 1, map[string]string{"keys": "20", "active": "4"}, "read", "write")
	var used []int
	for _, op := range simulate(t, gen.Limit(tenure*60, Register().Generator(p)), 0) {
		if op.Type == history.Invoke {
			used = append(used, number(t, op.Key))
		}
	}
	outside := map[int]int{}
	for i, key := range used {
		if (key-i/tenure%20+20)%20 >= 4 {
			outside[key]++
		}
	}
	sum := 0
	for _, n := range outside {
		sum += n
	}
	if want := len(used) / stray * 16 / 20; len(outside) != 20 || sum < want*8/10 || sum > want*12/10 {
		t.Errorf("%d of %d operations are outside of the window, want about %d: %v", sum, len(used), want, outside)
	}
}

// number returns which key it is, from 0.
func number(t *testing.T, key history.Value) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(key.Text(), "k"))
	if err != nil {
		t.Fatal(err)
	}
	return n - 1
}

// A client that completes a compare-and-set with something else is no reason
// to panic.
func TestRegisterOddCompletion(t *testing.T) {
	t.Parallel()
	p := paramsOf(t, Register(), 1, nil, "read", "write", "cas")
	g := Register().Generator(p)
	for _, v := range []history.Value{{}, history.Nil, history.Bool(true), history.Ints(1), history.Ints(1, 2, 3)} {
		op := history.Op{Type: history.OK, F: "cas", Key: history.String("k1"), Value: v}
		if g.Update(nil, &op) != g {
			t.Errorf("%v was taken for a value", v)
		}
	}
	other := history.Op{Type: history.OK, F: "read", Key: history.String("elsewhere"), Value: history.Int(1)}
	if g.Update(nil, &other) != g {
		t.Error("a key of somebody else was noted")
	}
}

// Every element is added once, and one operation in twenty reads the set.
func TestSetOperations(t *testing.T) {
	t.Parallel()
	for reads, want := range map[string][2]int{"5": {50, 250}, "50": {1300, 1700}} {
		p := paramsOf(t, Set(), 3, map[string]string{"reads": reads}, "add", "read")
		next, n := int64(1), 0
		for _, op := range simulate(t, Set().Generator(p), 6000) {
			if op.Type != history.Invoke {
				continue
			}
			if op.F == "read" {
				n++
				continue
			}
			if v, _ := op.Value.Int(); v != next {
				t.Fatalf("element %v, want %d", op.Value, next)
			}
			next++
		}
		if n < want[0] || n > want[1] {
			t.Errorf("reads=%s: %d reads and %d additions", reads, n, next-1)
		}
	}
}

// Asking a generator is no promise: what was not started is offered again, so
// that the same seed gives the same operations, whatever the clients do.
func TestSameSeedSameOperations(t *testing.T) {
	t.Parallel()
	for _, w := range all() {
		what := func(seed uint64) string {
			p := paramsOf(t, w, seed, nil, append(w.Fs, w.Optional...)...)
			var b strings.Builder
			for _, op := range simulate(t, gen.Limit(500, w.Generator(p)), 0) {
				if op.Type == history.Invoke {
					fmt.Fprintln(&b, op.F, op.Key, op.Value)
				}
			}
			return b.String()
		}
		first, again, other := what(1), what(1), what(2)
		if first != again || first == other {
			t.Errorf("%s: operations do not depend on the seed alone", w.Name)
		}
	}
}

// At the end a client of every node reads everything.
func TestFinalReads(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"register": 3 * 4, "set": 3} {
		w := all()[slices.IndexFunc(all(), func(w Workload) bool { return w.Name == name })]
		given := map[string]string{}
		if name == "register" {
			given["keys"] = "4"
		}
		seen := map[string]bool{}
		for _, op := range simulate(t, w.Final(paramsOf(t, w, 1, given, w.Fs...)), 0) {
			if op.Type == history.Invoke {
				seen[fmt.Sprint(op.F, op.Key, int(op.Process)%7%3)] = true
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d different reads, want %d: %v", name, len(seen), want, seen)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w     Workload
		given map[string]string
		want  string
	}{
		{Register(), nil, ""},
		{Register(), map[string]string{"keys": "10000"}, ""},
		{Register(), map[string]string{"keys": "10001"}, "option keys=10001: want a number from 1 to 10000"},
		{Register(), map[string]string{"keys": "0"}, "option keys=0: want a number from 1 to 10000"},
		{Register(), map[string]string{"keys": "1.5"}, "option keys=1.5: want a number"},
		{Register(), map[string]string{"reads": "5"}, `unknown option of register "reads": want one of keys`},
		{Set(), map[string]string{"reads": "100"}, "option reads=100: want a number from 1 to 99"},
	} {
		o, err := c.w.Fill(c.given)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %q", c.w.Name, c.given, err, c.want)
		}
		if err == nil && len(o) != len(c.w.Options) {
			t.Errorf("%s %v: options %v", c.w.Name, c.given, o)
		}
	}
}

// Every level of every workload is judged by something, the stronger by more;
// and every checker and model that judges is listed.
func TestCheckersOfLevels(t *testing.T) {
	t.Parallel()
	docs := map[string]bool{}
	for _, d := range CheckerDocs() {
		docs[d[0]] = len(d[1]) > 20
	}
	for _, w := range all() {
		for _, level := range w.Levels {
			o, err := w.Fill(nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, c := range slices.Concat(w.Checkers(level, o), w.Recovered(level, o)) {
				names = append(names, c.Name())
				if !docs[c.Name()] {
					t.Errorf("checker %s is not listed", c.Name())
				}
			}
			if len(names) == 0 || !slices.Contains(names, "converge") {
				t.Errorf("%s, %s is judged by %v", w.Name, level, names)
			}
		}
	}
	for _, name := range ModelNames() {
		m, err := Model(name)
		if err != nil || m.Doc == "" {
			t.Errorf("model %s: %v", name, err)
		}
		empty := checkers.Run(t.Context(), m.Checkers(Linearizable, nil)[0], &history.History{})
		if empty.Verdict != checkers.Unknown {
			t.Errorf("model %s judges nothing to be %v", name, empty.Verdict)
		}
	}
	if _, err := Model("registre"); err == nil || !strings.Contains(err.Error(), `did you mean "register"?`) {
		t.Errorf("a model that is misspelt: %v", err)
	}
}
