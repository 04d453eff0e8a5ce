package eventlog

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func micro(name string, kvs ...any) history.Value {
	var list []history.Value
	for _, v := range kvs {
		switch v := v.(type) {
		case string:
			list = append(list, history.String(v))
		case int:
			list = append(list, history.Int(int64(v)))
		case history.Value:
			list = append(list, v)
		}
	}
	return history.List(history.Keyword(name), history.Map(list...))
}

// shared simulates a log with one producer after the other, and a group whose members
// take turns: each is assigned the log in a new generation, polls and commits.
type shared struct {
	maker
	log                     []entry
	next, generation, epoch int
	numbered                bool // generations are known
}

func (s *shared) produce(p history.Process) {
	s.epoch++
	init := []history.Value{micro("init", "id", "t", "epoch", s.epoch)}
	s.call(p, "init", history.OK, init, init)
	for range 1 + s.rng.IntN(3) {
		s.write(p)
	}
}

func (s *shared) write(p history.Process) {
	s.fresh++
	e := entry{int64(2 * len(s.log)), s.fresh}
	s.log = append(s.log, e)
	s.call(p, "send", history.OK, []history.Value{send(0, history.Int(e.value))}, []history.Value{send(0, pair(e))})
}

// own assigns the log to a process, in a new generation.
func (s *shared) own(p history.Process) {
	s.generation++
	s.grant(p, s.generation)
}

func (s *shared) grant(p history.Process, generation int) {
	g := micro("assigned", "group", "g", "generation", generation, "keys", history.Ints(0))
	if !s.numbered {
		g = micro("assigned", "group", "g", "keys", history.Ints(0))
	}
	s.call(p, "rebalance", history.OK, []history.Value{g}, []history.Value{g})
}

func (s *shared) revoke(p history.Process) {
	g := []history.Value{micro("revoked", "group", "g")}
	s.call(p, "rebalance", history.OK, g, g)
}

func (s *shared) consume(p history.Process) {
	var got []history.Value
	for n := s.rng.IntN(4); n > 0 && s.next < len(s.log); n-- {
		got = append(got, pair(s.log[s.next]))
		s.next++
	}
	poll := history.List(history.Keyword("poll"), history.Map(history.Int(0), history.List(got...)))
	s.call(p, "poll", history.OK, []history.Value{history.List(history.Keyword("poll"))}, []history.Value{poll})
}

func (s *shared) commit(p history.Process, past int) {
	c := []history.Value{micro("commit", 0, 2*s.next+past)}
	s.call(p, "commit", history.OK, c, c)
}

// during does the one thing while the call that the other makes is under way.
func (s *shared) during(call, do func()) {
	call()
	end := s.ops[len(s.ops)-1]
	s.ops = s.ops[:len(s.ops)-1]
	do()
	end.Index, end.Time = len(s.ops), int64(len(s.ops))*1e6
	s.ops = append(s.ops, end)
}

// turn lets a member own the log, poll and commit, and a producer write.
func (s *shared) turn(last history.Process) history.Process {
	p := history.Process(10 + s.rng.IntN(3))
	if !s.numbered && last > 0 {
		s.revoke(last)
	}
	s.own(p)
	s.consume(p)
	s.produce(history.Process(s.rng.IntN(2)))
	s.consume(p)
	s.commit(p, 0)
	return p
}

// groupMutations add to a history, after some turns, what must not be.
var groupMutations = []struct {
	name  string
	apply func(s *shared, owner history.Process)
}{
	{DoubleAssignment, func(s *shared, owner history.Process) {
		s.grant(99, s.generation)
		s.consume(99)
		s.consume(owner)
	}},
	{CommitAhead, func(s *shared, owner history.Process) {
		s.consume(owner)
		s.consume(owner)
		s.write(5)
		s.commit(owner, 2*(len(s.log)-s.next))
	}},
	{LostCommit, func(s *shared, owner history.Process) {
		s.write(5)
		s.consume(owner)
		s.next = len(s.log)
		s.commit(owner, 0)
		if !s.numbered {
			s.revoke(owner)
		}
		s.own(98)
		s.next = 0
		for s.next < len(s.log) {
			s.consume(98)
		}
	}},
	{LostCommit, func(s *shared, owner history.Process) {
		s.numbered = true
		s.own(owner)
		s.write(5)
		at := s.next
		s.next = len(s.log)
		s.during(func() { s.commit(owner, 0) }, func() {
			s.own(98)
			for s.next = at; s.next < len(s.log); {
				s.consume(98)
			}
		})
	}},
	{ZombieCommit, func(s *shared, owner history.Process) {
		s.numbered = true
		s.own(owner)
		s.own(98)
		s.commit(owner, 0)
	}},
	{ZombieWrite, func(s *shared, _ history.Process) {
		s.produce(96)
		s.produce(97)
		s.write(96)
	}},
}

func TestGroupMutations(t *testing.T) {
	t.Parallel()
	opts := Options{Allow: []string{Unseen}}
	for _, m := range groupMutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(11, 12))
			for range 200 {
				s := &shared{maker: maker{rng: rng, at: map[history.Process][2]int{}}, numbered: rng.IntN(2) == 0}
				owner := history.Process(0)
				for range 1 + rng.IntN(4) {
					owner = s.turn(owner)
				}
				h := &history.History{Ops: slices.Clone(s.ops)}
				if s.consume(owner); s.next > 0 {
					if r := judged(t, h, opts); r.Verdict != checkers.OK {
						t.Fatalf("flagged before: %+v %s\n%v", r.Anomalies, r.Reason, h.Ops)
					}
				}
				m.apply(s, owner)
				h = &history.History{Ops: s.ops}
				r := judged(t, h, opts)
				if !slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == m.name }) {
					t.Fatalf("%v %+v\n%v", r.Verdict, r.Anomalies, h.Ops)
				}
			}
		})
	}
}

// poll is a poll that got these of one partition.
func poll(entries ...entry) history.Value {
	var got []history.Value
	for _, e := range entries {
		got = append(got, pair(e))
	}
	return history.List(history.Keyword("poll"), history.Map(history.Int(0), history.List(got...)))
}

// A transaction whose outcome is unknown may have committed what it polled, and sends
// under the epoch that it was given: neither is held against those who come after it.
func TestUnknownTransactions(t *testing.T) {
	t.Parallel()
	for _, withWhatItSaw := range []bool{true, false} {
		s := &shared{maker: maker{rng: rand.New(rand.NewPCG(1, 2)), at: map[history.Process][2]int{}}, numbered: true}
		for range 4 {
			s.write(9)
		}
		asked := []history.Value{micro("init", "id", "t"), history.List(history.Keyword("poll")), send(1, history.Int(100))}
		s.own(1)
		s.call(1, "poll", history.OK, asked[1:2], []history.Value{poll(s.log[0])})
		s.call(8, "init", history.OK, []history.Value{micro("init", "id", "t", "epoch", 6)}, []history.Value{micro("init", "id", "t", "epoch", 6)})
		s.call(1, "init", history.OK, []history.Value{micro("init", "id", "t", "epoch", 5)}, []history.Value{micro("init", "id", "t", "epoch", 5)})
		saw := asked
		if withWhatItSaw {
			saw = []history.Value{micro("init", "id", "t", "epoch", 7), poll(s.log[1], s.log[2]), send(1, history.Int(100))}
		}
		s.call(1, "txn", history.Info, asked, saw)
		s.own(2)
		s.call(2, "poll", history.OK, asked[1:2], []history.Value{poll(s.log[3])})
		commit := []history.Value{micro("commit", "0", int(s.log[3].offset)+1)}
		s.call(2, "commit", history.OK, commit, commit)
		s.call(7, "poll", history.OK, asked[1:2], []history.Value{history.List(history.Keyword("poll"), history.Map(
			history.Int(0), history.List(pair(s.log[0]), pair(s.log[1]), pair(s.log[2])), history.Int(1), history.List(pair(entry{0, 100}))))})
		r := judged(t, &history.History{Ops: s.ops}, Options{SubVia: "assign"})
		var names []string
		for _, a := range r.Anomalies {
			names = append(names, a.Name)
		}
		want := []string{ZombieWrite, CommitAhead}
		if withWhatItSaw {
			want = nil
		}
		if !slices.Equal(names, want) {
			t.Errorf("with what it saw %v: %v, want %v", withWhatItSaw, names, want)
		}
	}
}

// A transaction whose outcome is unknown polled for the group that it was told of in
// the same operation.
func TestUnknownTransactionOfANewMember(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		s := &shared{maker: maker{rng: rand.New(rand.NewPCG(1, 2)), at: map[history.Process][2]int{}}, numbered: true}
		for range 4 {
			s.write(9)
		}
		asked := []history.Value{history.List(history.Keyword("poll")), send(1, history.Int(100))}
		s.own(1)
		s.call(1, "poll", history.OK, asked[:1], []history.Value{poll(s.log[0])})
		s.generation++
		saw := []history.Value{poll(s.log[1], s.log[2]), send(1, history.Int(100))}
		if told {
			saw = append([]history.Value{micro("assigned", "group", "g", "generation", s.generation, "keys", history.Ints(0))}, saw...)
		}
		s.call(2, "txn", history.Info, asked, saw)
		s.own(3)
		s.call(3, "poll", history.OK, asked[:1], []history.Value{poll(s.log[3])})
		commit := []history.Value{micro("commit", 0, int(s.log[3].offset)+1)}
		s.call(3, "commit", history.OK, commit, commit)
		s.call(7, "poll", history.OK, asked[:1], []history.Value{poll(s.log[0], s.log[1], s.log[2])})
		r := judged(t, &history.History{Ops: s.ops}, Options{SubVia: "assign", Allow: []string{Unseen}})
		ahead := slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == CommitAhead })
		if ahead == told {
			t.Errorf("told of its group %v: %v %+v", told, r.Verdict, r.Anomalies)
		}
	}
}

// A transaction that was to be given up is one like any other, but for its name.
func TestAbortIsNoViolation(t *testing.T) {
	t.Parallel()
	s := &shared{maker: maker{rng: rand.New(rand.NewPCG(1, 2)), at: map[history.Process][2]int{}}}
	s.write(1)
	given := []history.Value{send(0, history.Int(77)), history.List(history.Keyword("abort"))}
	s.call(2, "txn", history.Fail, given, given)
	r := judged(t, &history.History{Ops: s.ops}, Options{Allow: []string{Unseen}})
	if r.Verdict != checkers.OK {
		t.Errorf("%v: %v", r.Verdict, r.Anomalies)
	}
}

// point is a commit of the brute force, or what a member is told: something that takes
// effect at one moment between two.
type point struct {
	begun, ended int
	generation   int // 0 if it is not known
	offset       int
	typ          history.Type
}

// first reports whether the commit p took effect before q, for all that is known of them.
func (p point) first(q point) bool {
	return p.typ == history.OK && p.ended < q.begun || p.generation > 0 && p.generation < q.generation
}

// beginnings tries all orders in which the commits can have taken effect, and returns
// the lowest offset at which a member may begin: -1 if there may be none, and whether
// there is an order at all.
func beginnings(told point, commits []point) (least int, possible bool) {
	least = math.MaxInt
	var try func(left []point, last int)
	try = func(left []point, last int) {
		free := func(p point) bool { return !slices.ContainsFunc(left, func(q point) bool { return q.first(p) }) }
		if free(told) && orderly(left) {
			least, possible = min(least, last), true
		}
		for i, p := range left {
			if told.ended < p.begun {
				continue
			}
			rest := slices.Delete(slices.Clone(left), i, i+1)
			if p.typ == history.Info {
				try(rest, last) // it never took effect
			}
			if free(p) {
				try(rest, p.offset)
			}
		}
	}
	try(commits, -1)
	return least, possible
}

// orderly reports whether there is an order of what is left.
func orderly(left []point) bool {
	if len(left) == 0 {
		return true
	}
	for i, p := range left {
		if !slices.ContainsFunc(left, func(q point) bool { return q.first(p) }) {
			return orderly(slices.Delete(slices.Clone(left), i, i+1))
		}
	}
	return false
}

// Where a member began is compared with all orders in which some commits can have taken
// effect. It is blamed only if none explains it, and always then if no commit is of an
// unknown or a newer generation.
func TestBeginningsByBruteForce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 14))
	n := 6_000
	if testing.Short() {
		n = 2_000
	}
	blamed, missed, compared := 0, 0, 0
	for range n {
		s := &shared{maker: maker{rng: rng, at: map[history.Process][2]int{}}, numbered: true}
		for range 5 {
			s.write(9)
		}
		ordered, told, commits := contest(s)
		least, possible := beginnings(told, commits)
		if !possible {
			continue // somebody committed when his generation was over, for all to see
		}
		from := rng.IntN(5)
		s.call(50, "poll", history.OK, []history.Value{history.List(history.Keyword("poll"))}, []history.Value{poll(s.log[from])})
		r := judged(t, &history.History{Ops: s.ops}, Options{Allow: []string{Unseen, DoubleAssignment, ZombieCommit, CommitAhead, LostWrite}})
		lost := slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == LostCommit })
		wrong := 2*from < least
		switch compared++; {
		case lost && !wrong, wrong && !lost && ordered:
			t.Fatalf("began at %d, may begin at %d, blamed: %v\n%v", 2*from, least, lost, s.ops)
		case lost:
			blamed++
		case wrong:
			missed++
		}
	}
	if blamed < n/20 || missed > blamed/10 {
		t.Errorf("of %d histories %d blamed and %d missed", compared, blamed, missed)
	}
	t.Logf("of %d histories %d blamed and %d missed", compared, blamed, missed)
}

// contest has some processes commit offsets of a key at about the time at which another
// one is told that the key is its own. It says whether all commits are known to be of its
// generation, or older ones.
func contest(s *shared) (ordered bool, told point, commits []point) {
	grant := func(n, key int) []history.Value {
		if n == 0 {
			return []history.Value{micro("assigned", "group", "g", "keys", history.Ints(int64(key)))}
		}
		return []history.Value{micro("assigned", "group", "g", "generation", n, "keys", history.Ints(int64(key)))}
	}
	calls := []history.Op{}
	for i := range 1 + s.rng.IntN(4) {
		c := point{generation: s.rng.IntN(4), offset: 2 * s.rng.IntN(5), typ: []history.Type{history.OK, history.OK, history.OK, history.Info}[s.rng.IntN(4)]}
		p := history.Process(20 + i)
		g := grant(c.generation, 1)
		s.call(p, "rebalance", history.OK, g, g)
		v := history.List(micro("commit", 0, c.offset))
		calls = append(calls, history.Op{Process: p, F: "commit", Value: v}, history.Op{Process: p, F: "commit", Value: v, Type: c.typ})
		commits = append(commits, c)
	}
	told = point{generation: 1 + s.rng.IntN(4), typ: history.OK}
	ordered = !slices.ContainsFunc(commits, func(c point) bool { return c.generation == 0 || c.generation > told.generation })
	g := history.List(grant(told.generation, 0)...)
	calls = append(calls, history.Op{Process: 50, F: "rebalance", Value: g}, history.Op{Process: 50, F: "rebalance", Value: g, Type: history.OK})
	begun := map[history.Process]bool{}
	for _, at := range s.rng.Perm(len(calls)) {
		op := calls[at/2*2]
		c := &told
		if op.Process < 50 {
			c = &commits[op.Process-20]
		}
		if begun[op.Process] {
			op, c.ended = calls[at/2*2+1], len(s.ops)
		} else {
			begun[op.Process], c.begun = true, len(s.ops)
		}
		op.Index, op.Time = len(s.ops), int64(len(s.ops))*1e6
		s.ops = append(s.ops, op)
	}
	return ordered, told, commits
}
