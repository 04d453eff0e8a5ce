package session_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// tiny is an operation of a small history; the value of a read of nil is 0. With
// linked versions a write replaced the value previous, or nil.
type tiny struct {
	process  int
	typ      history.Type
	write    bool
	key      int
	value    int
	previous int
}

// record writes operations down, one after the other.
func record(ops []tiny, versions session.Versions) *history.History {
	previous := map[[2]int]int{}
	for _, o := range ops {
		if o.write {
			previous[[2]int{o.key, o.value}] = o.previous
		}
	}
	h := new(history.History)
	for _, o := range ops {
		value := func(v int) history.Value {
			switch {
			case v == 0:
				return history.Nil
			case versions != session.Linked:
				return history.Int(int64(v))
			}
			link := history.Nil
			if p := previous[[2]int{o.key, v}]; p != 0 {
				link = history.Int(int64(p))
			}
			return history.Map(history.String("value"), history.Int(int64(v)), history.String("previous"), link)
		}
		op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: history.Process(o.process), F: "read", Key: history.Int(int64(o.key)), Value: history.Nil}
		done := op
		done.Value = value(o.value)
		if o.write {
			op.F, done.F, op.Value = "write", "write", done.Value
		}
		done.Index, done.Time, done.Type = op.Index+1, op.Time+1e6, o.typ
		h.Ops = append(h.Ops, op, done)
	}
	return h
}

// model is a small history for brute force.
type model struct {
	ops      []tiny
	versions session.Versions
	in       []bool
	from     []int // of a read, who wrote, or -1
	co       [][]bool
}

// brute decides by the definition: it looks for a set of the writes of unknown
// outcome with which the guarantee holds.
func brute(ops []tiny, versions session.Versions, g session.Guarantee) bool {
	m := &model{ops: ops, versions: versions}
	var infos []int
	for i, o := range ops {
		if o.typ == history.Info && o.write {
			infos = append(infos, i)
		}
	}
	for set := range 1 << len(infos) {
		m.in = make([]bool, len(ops))
		for i, o := range ops {
			m.in[i] = o.typ == history.OK
		}
		for b, i := range infos {
			m.in[i] = set>>b&1 == 1
		}
		if m.consistent() && m.holds(g) {
			return true
		}
	}
	return false
}

// consistent finds who was read, and whether that was there; and with links, that
// what was replaced was there if anybody may have written it.
func (m *model) consistent() bool {
	n := len(m.ops)
	m.from, m.co = make([]int, n), matrix(n)
	for i, o := range m.ops {
		m.from[i] = -1
		if !m.in[i] {
			continue
		}
		for k, w := range m.ops {
			if w.write && w.key == o.key && w.typ != history.Fail {
				if !o.write && w.value == o.value {
					m.from[i] = k
				}
				if o.write && m.versions == session.Linked && w.value == o.previous && !m.in[k] {
					return false
				}
			}
			m.co[k][i] = m.so(k, i)
		}
		if f := m.from[i]; !o.write && o.value != 0 && (f < 0 || !m.in[f]) {
			return false
		}
		if f := m.from[i]; f >= 0 {
			m.co[f][i] = true
		}
	}
	closure(m.co)
	return true
}

func (m *model) so(a, b int) bool {
	return a < b && m.in[a] && m.in[b] && m.ops[a].process == m.ops[b].process && m.ops[a].typ == history.OK
}

// older reports whether a has to be before b as a version.
func (m *model) older(a, b int) bool {
	x, y := m.ops[a], m.ops[b]
	switch {
	case !m.in[a] || !m.in[b] || !x.write || !y.write || x.key != y.key || m.versions == session.Hidden:
		return false
	case m.versions == session.Increasing:
		return x.value < y.value
	default:
		return y.previous == x.value
	}
}

func matrix(n int) [][]bool {
	m := make([][]bool, n)
	for i := range m {
		m[i] = make([]bool, n)
	}
	return m
}

func closure(m [][]bool) {
	for k := range m {
		for a := range m {
			for b := range m {
				m[a][b] = m[a][b] || m[a][k] && m[k][b]
			}
		}
	}
}

func (m *model) holds(g session.Guarantee) bool {
	if g == session.Causal && m.versions != session.Hidden {
		g = session.CausalConvergent
	}
	switch g {
	case session.Sequential:
		return m.serial(func(int) bool { return true }, m.so)
	case session.Causal, session.CausalConvergent:
		for i := range m.ops {
			if m.co[i][i] {
				return false
			}
		}
		if g == session.Causal {
			return m.causal()
		}
		return m.convergent()
	}
	for p := range 30 {
		own := func(i int) bool { return m.ops[i].process == p }
		some := func(i int) bool { return own(i) && m.in[i] && !m.ops[i].write }
		ok := true
		switch {
		case g == session.PRAM:
			ok = m.serial(func(i int) bool { return own(i) || m.ops[i].write }, m.so)
		case g == session.CausalMemory:
			ok = m.serial(func(i int) bool { return own(i) || m.ops[i].write }, func(a, b int) bool { return m.co[a][b] })
		default:
			for i := range m.ops {
				if some(i) || own(i) && g == session.ReadYourWrites || g != session.ReadYourWrites {
					ok = ok && m.guaranteed(g, p)
					break
				}
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// serial looks for an order of some operations that respects a relation and in
// which each read finds the last write.
func (m *model) serial(some func(int) bool, before func(a, b int) bool) bool {
	n := len(m.ops)
	done := make([]bool, n)
	state := map[int]int{}
	var search func() bool
	search = func() bool {
		left := false
		for i, o := range m.ops {
			if done[i] || !m.in[i] || !some(i) {
				continue
			}
			left = true
			ready := o.write || state[o.key] == o.value
			for k := range m.ops {
				ready = ready && !(m.in[k] && some(k) && !done[k] && (before(k, i) || m.older(k, i)))
			}
			if !ready {
				continue
			}
			was := state[o.key]
			done[i], state[o.key] = true, o.value
			ok := search()
			done[i], state[o.key] = false, was
			if ok {
				return true
			}
		}
		return !left
	}
	return search()
}

// causal: for each read, the writes of its past can be put into an order, in
// which the last one of its key is what it found.
func (m *model) causal() bool {
	for r, o := range m.ops {
		if !m.in[r] || o.write {
			continue
		}
		good := false
		m.orders(func(i int) bool { return m.ops[i].write && m.co[i][r] }, func(a, b int) bool { return m.co[a][b] }, func(list []int) bool {
			last := -1
			for _, w := range list {
				if m.ops[w].key == o.key {
					last = w
				}
			}
			good = last == m.from[r]
			return good
		})
		if !good {
			return false
		}
	}
	return true
}

// convergent: the same with one order of all writes.
func (m *model) convergent() bool {
	good := false
	m.orders(func(i int) bool { return m.ops[i].write }, func(a, b int) bool { return m.co[a][b] || m.older(a, b) }, func(list []int) bool {
		for r, o := range m.ops {
			last := -1
			for _, w := range list {
				if m.ops[w].key == o.key && m.co[w][r] {
					last = w
				}
			}
			if m.in[r] && !o.write && last != m.from[r] {
				return false
			}
		}
		good = true
		return true
	})
	return good
}

// orders calls use for the orders of some operations that respect a relation,
// until it returns true.
func (m *model) orders(some func(int) bool, before func(a, b int) bool, use func([]int) bool) {
	var all []int
	for i := range m.ops {
		if m.in[i] && some(i) {
			all = append(all, i)
		}
	}
	var search func(list []int) bool
	search = func(list []int) bool {
		if len(list) == len(all) {
			return use(list)
		}
		for _, i := range all {
			ready := !slices.Contains(list, i)
			for _, k := range all {
				ready = ready && !(before(k, i) && !slices.Contains(list, k))
			}
			if ready && search(append(slices.Clone(list), i)) {
				return true
			}
		}
		return false
	}
	search(nil)
}

// guaranteed: session p has an order of all writes in which its reads see what
// they have to.
func (m *model) guaranteed(g session.Guarantee, p int) bool {
	before := matrix(len(m.ops))
	for a, x := range m.ops {
		for b, y := range m.ops {
			own := y.process == p
			switch {
			case m.older(a, b):
				before[a][b] = true
			case g == session.ReadYourWrites:
				before[a][b] = own && x.write && y.write && m.so(a, b)
			case g == session.MonotonicWrites:
				before[a][b] = x.write && y.write && m.so(a, b)
			case g == session.WritesFollowReads:
				before[a][b] = x.write && y.write && m.hadRead(b, a)
			}
		}
	}
	good := false
	m.orders(func(i int) bool { return m.ops[i].write }, func(a, b int) bool { return before[a][b] }, func(list []int) bool {
		for r, o := range m.ops {
			if !m.in[r] || o.write || o.process != p {
				continue
			}
			for _, w := range list {
				if m.ops[w].key == o.key && w != m.from[r] && m.sees(g, r, w) && slices.Index(list, w) > slices.Index(list, m.from[r]) {
					return false
				}
			}
		}
		good = true
		return true
	})
	return good
}

// hadRead reports whether the session of b had read a before b.
func (m *model) hadRead(b, a int) bool {
	for r := range m.ops {
		if m.so(r, b) && !m.ops[r].write && m.from[r] == a {
			return true
		}
	}
	return false
}

// sees reports whether read r has to see write w.
func (m *model) sees(g session.Guarantee, r, w int) bool {
	switch g {
	case session.ReadYourWrites:
		return m.so(w, r)
	case session.MonotonicReads:
		return m.hadRead(r, w)
	}
	for r0 := range m.ops {
		if f := m.from[r0]; (r0 == r || m.so(r0, r)) && m.in[r0] && !m.ops[r0].write && f >= 0 {
			if g == session.MonotonicWrites && m.so(w, f) || g == session.WritesFollowReads && m.hadRead(f, w) {
				return true
			}
		}
	}
	return false
}

// judge checks a history and confirms the certificate.
func judge(t testing.TB, h *history.History, opts session.Options) checkers.Result {
	t.Helper()
	r := checkers.Run(t.Context(), session.New(opts), h)
	if r.Verdict == checkers.Unknown {
		return r
	}
	if raw := claim(t, r); raw != nil {
		if _, err := verify.Claim(h, raw); err != nil {
			t.Fatalf("%v of %v\n%s\n%v\n%v\n%v", r.Verdict, opts, raw, err, r.Anomalies, h.Ops)
		}
	}
	return r
}

// claim returns the certificate, or nil where there is none.
func claim(t testing.TB, r checkers.Result) []byte {
	t.Helper()
	c, err := r.Claim()
	var no *checkers.NoClaimError
	if errors.As(err, &no) && r.Verdict == checkers.Invalid {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// agree compares the checker with brute force for a guarantee.
func agree(t *testing.T, ops []tiny, versions session.Versions, g session.Guarantee, certify bool) checkers.Verdict {
	t.Helper()
	h := record(ops, versions)
	opts := session.Options{Guarantee: g, Versions: versions}
	var r checkers.Result
	if certify {
		r = judge(t, h, opts)
	} else {
		r = checkers.Run(t.Context(), session.New(opts), h)
	}
	if r.Verdict == checkers.Unknown {
		if !slices.ContainsFunc(ops, func(o tiny) bool { return !o.write && o.typ == history.OK }) {
			return r.Verdict
		}
		t.Fatalf("%v %v: %s\n%+v", g, versions, r.Reason, ops)
	}
	if want := brute(ops, versions, g); want != (r.Verdict == checkers.OK) {
		t.Fatalf("%v, versions %v: brute force says %v, the checker %v %+v\n%+v", g, versions, want, r.Verdict, r.Anomalies, ops)
	}
	return r.Verdict
}

// random returns a small history whose reads are mostly of what somebody wrote.
func random(rng *rand.Rand, most int) []tiny {
	ops := make([]tiny, 1+rng.IntN(most))
	keys, processes := 1+rng.IntN(2), 1+rng.IntN(3)
	values := rng.Perm(len(ops))
	used := map[int]int{}
	wrote := map[int][]int{}
	for i := range ops {
		p := rng.IntN(processes)
		o := tiny{process: p + 10*used[p], key: rng.IntN(keys), write: rng.IntN(2) == 0}
		o.typ = []history.Type{history.OK, history.OK, history.OK, history.OK, history.OK, history.OK, history.OK, history.OK, history.Info, history.Fail}[rng.IntN(10)]
		if o.typ == history.Info && used[p] < 2 && rng.IntN(3) > 0 {
			used[p]++
		}
		if o.write {
			o.value = values[i] + 1
			if w := wrote[o.key]; len(w) > 0 && rng.IntN(4) > 0 {
				o.previous = w[len(w)-1-rng.IntN(min(2, len(w)))]
			}
			wrote[o.key] = append(wrote[o.key], o.value)
		}
		ops[i] = o
	}
	for i := range ops {
		if o := &ops[i]; !o.write && len(wrote[o.key]) > 0 && rng.IntN(6) > 0 {
			o.value = wrote[o.key][rng.IntN(len(wrote[o.key]))]
			if rng.IntN(100) == 0 {
				o.value = 99
			}
		}
	}
	return ops
}

func TestRandomAgainstBruteForce(t *testing.T) {
	t.Parallel()
	n := 40_000
	if testing.Short() {
		n = 8_000
	}
	if os.Getenv("ORDEAL_LONG") != "" {
		n = 1_000_000
	}
	rng := rand.New(rand.NewPCG(3, 4))
	invalid := map[session.Guarantee]int{}
	for i := range n {
		ops := random(rng, 4+i%4)
		g := session.Guarantee(i % 9)
		if agree(t, ops, session.Versions(max(0, rng.IntN(5)-2)), g, i%4 == 0) == checkers.Invalid {
			invalid[g]++
		}
	}
	for g := session.ReadYourWrites; g <= session.Sequential; g++ {
		if invalid[g] < n/9/50 {
			t.Errorf("only %d of %d are invalid for %v: the test shows little", invalid[g], n/9, g)
		}
	}
}

// weaker has for each guarantee what it implies.
var weaker = map[session.Guarantee][]session.Guarantee{
	session.Sequential:       {session.CausalMemory, session.CausalConvergent},
	session.CausalMemory:     {session.PRAM, session.Causal, session.WritesFollowReads},
	session.CausalConvergent: {session.Causal, session.ReadYourWrites, session.MonotonicReads, session.MonotonicWrites, session.WritesFollowReads},
	session.PRAM:             {session.ReadYourWrites, session.MonotonicReads, session.MonotonicWrites},
}

func TestImplications(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	n := 3000
	if testing.Short() {
		n = 500
	}
	for range n {
		ops := random(rng, 12)
		versions := session.Versions(rng.IntN(3))
		h := record(ops, versions)
		var verdict [9]checkers.Verdict
		for g := range verdict {
			verdict[g] = session.New(session.Options{Guarantee: session.Guarantee(g), Versions: versions}).Check(t.Context(), h).Verdict
		}
		for strong, list := range weaker {
			for _, weak := range list {
				if weak == session.Causal && versions != session.Hidden && strong == session.CausalMemory {
					continue // which is then that all agree
				}
				if verdict[strong] == checkers.OK && verdict[weak] != checkers.OK {
					t.Fatalf("%v holds, but %v does not\n%+v", strong, weak, ops)
				}
			}
		}
	}
}

// All histories of at most four operations on two keys, and of five on one, by
// two or three processes; but for long runs only a part.
func TestAllTiny(t *testing.T) {
	t.Parallel()
	stride := 197
	if testing.Short() {
		stride = 997
	}
	if os.Getenv("ORDEAL_LONG") != "" {
		stride = 1
	}
	count := 0
	var grow func(ops []tiny, size, keys int)
	grow = func(ops []tiny, size, keys int) {
		if len(ops) == size {
			fill(ops, 0, func(ops []tiny) {
				for g := session.ReadYourWrites; g <= session.Sequential; g++ {
					if count++; count%stride == 0 {
						agree(t, ops, session.Hidden, g, true)
					}
				}
			})
			return
		}
		for p := range 3 {
			for k := range keys {
				for _, write := range []bool{false, true} {
					o := tiny{process: p, typ: history.OK, key: k, write: write}
					if write {
						o.value = len(ops) + 1
					}
					grow(append(slices.Clone(ops), o), size, keys)
				}
			}
		}
	}
	for size := 1; size <= 4; size++ {
		grow(nil, size, 2)
	}
	grow(nil, 5, 1)
}

// fill has each read find each value of its key.
func fill(ops []tiny, at int, use func([]tiny)) {
	if at == len(ops) {
		use(ops)
		return
	}
	fill(ops, at+1, use)
	if ops[at].write {
		return
	}
	for _, w := range ops {
		if w.write && w.key == ops[at].key {
			ops[at].value = w.value
			fill(ops, at+1, use)
		}
	}
	ops[at].value = 0
}

// A delete is a write, and a read of nil found the initial state or a delete. What
// that rules out is invalid if no choice of deletes makes it good, and is found to be
// invalid at least where it would be if such reads were not there at all.
func TestDeletes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	n := 9 * 3_000
	if testing.Short() {
		n = 9 * 800
	}
	found := map[string]int{}
	missed, all := map[session.Guarantee]int{}, map[session.Guarantee]int{}
	for i := range n {
		ops := random(rng, 5+i%3)
		if i%2 == 0 {
			ops = buried(rng, 4+i%5)
		}
		h, choices := withDeletes(rng, ops)
		g := session.Guarantee(i % 9)
		r := judge(t, h, session.Options{Guarantee: g})
		if r.Verdict == checkers.Unknown {
			continue // there is no read left
		}
		good := some(choices, ops, func(ops []tiny) bool { return brute(ops, session.Hidden, g) })
		if good && r.Verdict == checkers.Invalid {
			t.Fatalf("%v: brute force says ok, the checker %+v\n%v", g, r.Anomalies, h.Ops)
		}
		silent := slices.Clone(ops)
		for at := range choices {
			silent[at].typ = history.Info
		}
		if r.Verdict == checkers.OK && !brute(silent, session.Hidden, g) {
			t.Fatalf("%v: brute force says invalid, the checker ok\n%v", g, h.Ops)
		}
		if !good {
			if all[g]++; r.Verdict == checkers.OK {
				missed[g]++
			}
		}
		if len(choices) > 0 && r.Verdict == checkers.Invalid && brute(silent, session.Hidden, g) {
			found[r.Anomalies[0].Name]++
		}
	}
	t.Logf("found only by reads of nothing: %v; missed %v of %v", found, missed, all)
	for _, name := range []string{session.ResurrectedRead, session.WriteCOInitRead} {
		if found[name] < n/5000 {
			t.Errorf("only %d are a %s: the test shows little", found[name], name)
		}
	}
}

// buried returns a small history of a write that is found, and not found, and one
// of other writes by which word is passed on.
func buried(rng *rand.Rand, n int) []tiny {
	ops := []tiny{{typ: history.OK, write: true, value: 1}}
	said := 0
	for i := 1; i < n; i++ {
		o := tiny{process: rng.IntN(3), typ: history.OK}
		switch rng.IntN(6) {
		case 0:
			o.write, o.value = true, i+1 // which may become a delete
		case 1, 2:
			o.value = 1
		case 3, 4:
		default:
			if o.key = 1; said == 0 {
				o.write, said = true, i+1
			}
			o.value = said
		}
		ops = append(ops, o)
	}
	return ops
}

// some reports whether one of the choices of what reads of nothing found is good.
func some(choices map[int][]int, ops []tiny, good func([]tiny) bool) bool {
	for at, values := range choices {
		rest := maps.Clone(choices)
		delete(rest, at)
		return slices.ContainsFunc(append(values, 0), func(v int) bool {
			with := slices.Clone(ops)
			with[at].value = v
			return some(rest, with, good)
		})
	}
	return good(ops)
}

// withDeletes makes deletes of some writes that nobody reads. It returns the
// history with them and, for each read of nothing after a delete began, the deletes
// that it may have found.
func withDeletes(rng *rand.Rand, ops []tiny) (*history.History, map[int][]int) {
	read := map[[2]int]bool{}
	for _, o := range ops {
		read[[2]int{o.key, o.value}] = read[[2]int{o.key, o.value}] || !o.write
	}
	h, deleted := record(ops, session.Hidden), map[int][]int{}
	choices := map[int][]int{}
	for i, o := range ops {
		if !o.write && o.typ == history.OK && o.value == 0 && len(deleted[o.key]) > 0 {
			choices[i] = slices.Clone(deleted[o.key])
		}
		if !o.write || read[[2]int{o.key, o.value}] || rng.IntN(2) == 0 {
			continue
		}
		if o.typ != history.Fail {
			deleted[o.key] = append(deleted[o.key], o.value)
		}
		for _, op := range h.Ops[2*i : 2*i+2] {
			op.F, op.Value = "delete", history.Nil
			h.Ops[op.Index] = op
		}
	}
	return h, choices
}
