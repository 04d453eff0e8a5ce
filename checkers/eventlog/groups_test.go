package eventlog

import (
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
