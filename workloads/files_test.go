package workloads

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Every name is made once, every content written once, names stay about as many
// as they should, and all kinds of operations are done.
func TestFileOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := Files()
		p := paramsOf(t, w, seed, map[string]string{"names": "10"}, w.Fs...)
		kinds, made, again, taken, there := map[string]int{}, map[string]bool{}, map[string]int{}, map[string]bool{}, 0
		for _, op := range simulate(t, w.Generator(p), 6000) {
			if op.Type == history.OK && op.F == "create" && again[op.Value.String()] == 0 {
				there++
			}
			if op.Type == history.OK && op.F == "delete" {
				there--
			}
			if op.Type != history.Invoke {
				continue
			}
			kinds[op.F]++
			fresh := op.Value
			if op.F == "rename" {
				fresh = op.Value.Elems()[1]
			}
			switch {
			case op.F == "remove":
				taken[op.Value.String()] = true
			case op.F == "write" && made[fresh.String()]:
				t.Fatalf("seed %d: %v writes what was written before", seed, op)
			case op.F != "create" && op.F != "rename" && op.F != "write":
			case made[fresh.String()]:
				again[fresh.String()]++
			default:
				made[fresh.String()] = true
				if op.F == "rename" {
					taken[op.Value.Elems()[0].String()] = true
				}
			}
		}
		for name, times := range again {
			if taken[name] || times < 5 {
				t.Errorf("seed %d: %s is made %d times more, and is taken: %v", seed, name, times, taken[name])
			}
		}
		if len(again) != mostKept {
			t.Errorf("seed %d: %d names are made again, want %d", seed, len(again), mostKept)
		}
		for _, f := range w.Fs {
			if kinds[f] < 150 {
				t.Errorf("seed %d: %v", seed, kinds)
			}
		}
		if there > 200 {
			t.Errorf("seed %d: %d names are left", seed, there)
		}
	}
}

// Files grow for their time, mostly through one node, some are deleted, cut or moved
// in the end, one fate for a file, and the final phase reads each of them through
// every node, and under both names what may have been moved.
func TestAppendOperations(t *testing.T) {
	t.Parallel()
	fates := map[string]int{}
	for seed := range uint64(5) {
		w := Append()
		p := paramsOf(t, w, seed, map[string]string{"streams": "3", "life": "1s"}, append(w.Fs, w.Optional...)...)
		run := gen.Phases(gen.TimeLimit(4*time.Second, gen.OnClients(gen.Rate(p.Choices, "rate", 100, w.Generator(p)))), gen.Final(w.Final(p)))
		appended, read := map[string]map[int]int{}, map[string]int{}
		records, changed := map[string]bool{}, map[string]string{}
		for _, op := range simulate(t, run, 10000) {
			key := op.Key.Text()
			switch {
			case op.Type != history.Invoke:
			case op.Final:
				read[key]++
			case op.F == "remove" || op.F == "cut" || op.F == "move":
				if old := changed[key]; old != "" && old != op.F {
					t.Errorf("seed %d: %v of a file with %s", seed, op, old)
				}
				changed[key] = op.F
				fates[op.F]++
				if appended[key] == nil || op.Time%int64(time.Second) < int64(800*time.Millisecond) {
					t.Errorf("seed %d: %v is not at the end of the file's life", seed, op)
				}
			case op.F == "append":
				if records[op.Value.String()] {
					t.Fatalf("seed %d: %v appends what was appended before", seed, op)
				}
				records[op.Value.String()] = true
				if appended[key] == nil {
					appended[key] = map[int]int{}
				}
				appended[key][int(op.Process)%7%3]++
			}
		}
		if len(appended) < 12 {
			t.Errorf("seed %d: only %d files grew", seed, len(appended))
		}
		if len(changed) > 3 {
			t.Errorf("seed %d: too many files were changed: %v", seed, changed)
		}
		for key, fate := range changed {
			if n := read["moved."+key]; fate == "move" && n != 3 {
				t.Errorf("seed %d: %s was moved, and read %d times in the end under its new name", seed, key, n)
			}
		}
		for key, by := range appended {
			most, all := 0, 0
			for _, n := range by {
				most, all = max(most, n), all+n
			}
			if all > 8 && 2*most < all {
				t.Errorf("seed %d: %s grew through all nodes alike: %v", seed, key, by)
			}
			if read[key] != 3 {
				t.Errorf("seed %d: %s was read %d times in the end", seed, key, read[key])
			}
		}
	}
	for _, fate := range []string{"remove", "cut", "move"} {
		if fates[fate] == 0 {
			t.Errorf("changes: %v", fates)
		}
	}
}

// The same checkers judge by all levels, and the weaker a level is the less they ask.
func TestFileLevels(t *testing.T) {
	t.Parallel()
	for _, w := range []Workload{Files(), Append()} {
		if !slices.Contains(w.Levels, w.Level) || !slices.Contains(w.Levels, Eventual) {
			t.Errorf("%s is judged by %v, by default by %s", w.Name, w.Levels, w.Level)
		}
		for _, level := range w.Levels {
			if cs := w.Checkers(level, Options{}); len(cs) != 1 || cs[0].Name() != w.Name {
				t.Errorf("%s at %s is judged by %d checkers", w.Name, level, len(cs))
			}
		}
	}
	h := &history.History{}
	call := func(process history.Process, f string, final bool, in, out history.Value) {
		for _, typ := range []history.Type{history.Invoke, history.OK} {
			op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)), Process: process, Type: typ, F: f, Key: history.String("s"), Value: in, Final: final}
			if typ == history.OK {
				op.Value = out
			}
			h.Ops = append(h.Ops, op)
		}
	}
	call(1, "append", false, history.Int(1), history.Int(1))
	call(1, "read", false, history.Nil, history.List())
	call(1, "read", true, history.Nil, history.Ints(1))
	for level, want := range map[string]int{durablePrefix: 0, closeToOpen: 1, Eventual: 0} {
		r := Append().Checkers(level, Options{})[0].Check(t.Context(), h)
		if len(r.Anomalies) != want {
			t.Errorf("%s: %v %v", level, r.Verdict, r.Anomalies)
		}
	}
}

// What is done to a file on a desk is done by one after the other; a file with which
// nobody knows what happened is left alone, one that was moved is not written again,
// and every content is cut once at most. The final phase reads all of them.
func TestDesks(t *testing.T) {
	t.Parallel()
	type state struct{ busy, left, moved bool }
	done := map[string]int{}
	for seed := range uint64(5) {
		w := Files()
		p := paramsOf(t, w, seed, nil, append(w.Fs, "move")...)
		run := gen.Phases(gen.TimeLimit(10*time.Second, gen.OnClients(gen.Rate(p.Choices, "rate", 100, w.Generator(p)))), gen.Final(w.Final(p)))
		states, cut, worked, read := map[string]*state{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, op := range simulate(t, run, 20000) {
			key := op.Key.Text()
			if !strings.HasPrefix(key, "d") {
				continue
			}
			if op.F == "read" {
				read[key] = read[key] || op.Final
				continue
			}
			s := states[key]
			if s == nil {
				s = &state{}
				states[key] = s
			}
			worked[key] = true
			isCut := op.Value.Kind() == history.KindMap
			switch {
			case op.Type == history.Info:
				s.left = true
			case op.Type != history.Invoke:
				s.busy = false
				s.moved = s.moved || op.F == "move" && op.Type == history.OK
			case s.busy || s.left || s.moved && !isCut || isCut && cut[op.Value.String()]:
				t.Fatalf("seed %d: %v on a file with %+v", seed, op, *s)
			case isCut:
				cut[op.Value.String()], s.busy = true, true
				done["cut"]++
			default:
				s.busy = true
				done[op.F]++
			}
		}
		for key := range worked {
			if !read[key] {
				t.Errorf("seed %d: nobody read %s in the end", seed, key)
			}
		}
	}
	for _, what := range []string{"write", "cut", "move"} {
		if done[what] < 20 {
			t.Errorf("done: %v", done)
		}
	}
}
