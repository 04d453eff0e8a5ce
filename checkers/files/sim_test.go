package files

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// sim runs operations that take effect at one moment each, between their
// invocation and their completion. With noise, some effects and answers are
// wrong.
type sim struct {
	rulestest.Sim
	open  []pending
	names map[string]int64   // name to inode
	tags  map[string]int64   // file to content
	list  map[string][]int64 // file to records
	held  map[string]int64   // file to durable length
	next  int64
}

type pending struct {
	op     history.Op
	effect func() (history.Type, history.Value) // nil if it happened already
	typ    history.Type
	value  history.Value
}

func newSim(rng *rand.Rand, noise int) *sim {
	return &sim{Sim: rulestest.Sim{RNG: rng, Noise: noise, Step: 3}, names: map[string]int64{}, tags: map[string]int64{}, list: map[string][]int64{}, held: map[string]int64{}}
}

func (s *sim) start(op history.Op, effect func() (history.Type, history.Value)) {
	op.Process, op.Node = history.Process(len(s.H.Ops)), []string{"n1", "n2"}[s.RNG.IntN(2)]
	s.Record(op)
	s.open = append(s.open, pending{op: op, effect: effect})
}

// happen lets an open operation take effect.
func (s *sim) happen() {
	if len(s.open) > 0 {
		s.open[s.RNG.IntN(len(s.open))].run()
	}
}

func (p *pending) run() {
	if p.effect != nil {
		p.typ, p.value = p.effect()
		p.effect = nil
	}
}

// finish completes an open operation. One that never does may have had an effect.
func (s *sim) finish() {
	if len(s.open) == 0 {
		return
	}
	i := s.RNG.IntN(len(s.open))
	p := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	lost := s.RNG.IntN(6) == 0
	if !lost || s.RNG.IntN(2) == 0 {
		p.run()
	}
	op := p.op
	op.Type, op.Value = p.typ, p.value
	if lost {
		op.Type, op.Value = history.Info, p.op.Value
		if s.RNG.IntN(2) == 0 {
			return
		}
	}
	s.Record(op)
}

// run makes a history of some steps, each of which is one of the given kinds.
func (s *sim) run(steps int, kinds ...func()) *history.History {
	for range steps {
		switch n := s.RNG.IntN(len(kinds) + 3); {
		case n < len(kinds):
			kinds[n]()
		case n == len(kinds):
			s.happen()
		default:
			s.finish()
		}
	}
	for len(s.open) > 0 && s.RNG.IntN(8) > 0 {
		s.finish()
	}
	return &s.H
}

func (s *sim) key() history.Value { return history.String([]string{"f", "f", "g"}[s.RNG.IntN(3)]) }

func (s *sim) write() {
	key := s.key()
	s.next++
	tag := s.next
	s.start(history.Op{F: "write", Key: key, Value: history.Int(tag)}, func() (history.Type, history.Value) {
		if s.Wrong() {
			return history.OK, history.Int(tag)
		}
		s.tags[key.Text()] = tag
		if s.Wrong() {
			return history.Fail, history.Int(tag)
		}
		return history.OK, history.Int(tag)
	})
}

func (s *sim) read() {
	key := s.key()
	s.start(history.Op{F: "read", Key: key, Value: history.Nil}, func() (history.Type, history.Value) {
		tag := s.tags[key.Text()]
		if s.Wrong() {
			tag = int64(s.RNG.IntN(int(s.next) + 2))
		}
		if tag == 0 {
			return history.OK, history.Nil
		}
		return history.OK, history.Int(tag)
	})
}

// some returns a name that was made at some time, and often still is there.
func (s *sim) some() string { return string(rune('a' + s.RNG.IntN(int(s.next)+1))) }

func (s *sim) fresh() string {
	s.next++
	return string(rune('a' + s.next - 1))
}

func (s *sim) create() {
	name := s.fresh()
	s.start(history.Op{F: "create", Value: history.String(name)}, func() (history.Type, history.Value) {
		s.names[name] = int64(100 + name[0])
		if s.Wrong() {
			delete(s.names, name)
		}
		return s.answer(true, history.String(name))
	})
}

// answer is that an operation was done or not, and sometimes the contrary.
func (s *sim) answer(done bool, v history.Value) (history.Type, history.Value) {
	if done != s.Wrong() {
		return history.OK, v
	}
	return history.Fail, v
}

func (s *sim) rename() {
	from, to := s.some(), ""
	to = s.fresh()
	v := history.List(history.String(from), history.String(to))
	s.start(history.Op{F: "rename", Value: v}, func() (history.Type, history.Value) {
		inode, ok := s.names[from]
		if ok {
			s.names[to] = inode
			if !s.Wrong() {
				delete(s.names, from)
			}
			if s.Wrong() {
				delete(s.names, to)
			}
		}
		return s.answer(ok, v)
	})
}

func (s *sim) remove() {
	name := s.some()
	s.start(history.Op{F: "delete", Value: history.String(name)}, func() (history.Type, history.Value) {
		_, ok := s.names[name]
		if !s.Wrong() {
			delete(s.names, name)
		}
		return s.answer(ok, history.String(name))
	})
}

func (s *sim) ls() {
	s.start(history.Op{F: "list", Value: history.Nil}, func() (history.Type, history.Value) {
		var kvs []history.Value
		for n := range s.next {
			name := string(rune('a' + n))
			inode, ok := s.names[name]
			if s.Wrong() {
				inode++
			}
			if ok != s.Wrong() {
				kvs = append(kvs, history.String(name), history.Int(inode))
			}
		}
		return history.OK, history.Map(kvs...)
	})
}

func (s *sim) contents(steps int) *history.History { return s.run(steps, s.write, s.read, s.read) }

func (s *sim) namespace(steps int) *history.History {
	return s.run(steps, s.create, s.rename, s.remove, s.ls, s.ls, s.ls)
}

// streams is the growing of files. A crash takes back what is not durable.
func (s *sim) streams(steps int) *history.History {
	kinds := []func(){s.append, s.append, s.sync, s.readAll, s.readAll, s.crash}
	for _, change := range []func(){s.unlink, s.cut, s.move} {
		if s.RNG.IntN(4) == 0 {
			kinds = append(kinds, change, s.readAll)
		}
	}
	return s.run(steps, kinds...)
}

// inVain reports whether a change is to leave what it should take away: often, as it
// is seen only if the file is read before and after.
func (s *sim) inVain() bool { return s.Noise > 0 && s.RNG.IntN(3) == 0 }

// unlink deletes a file.
func (s *sim) unlink() {
	key := s.key()
	s.start(history.Op{F: "remove", Key: key, Value: history.Nil}, func() (history.Type, history.Value) {
		if !s.inVain() {
			s.list[key.Text()], s.held[key.Text()] = nil, 0
		}
		return s.answer(true, history.Nil)
	})
}

// cut cuts off the end of a file, and sometimes too much.
func (s *sim) cut() {
	key, n := s.key(), s.RNG.IntN(4)
	v := history.Int(int64(n))
	s.start(history.Op{F: "cut", Key: key, Value: v}, func() (history.Type, history.Value) {
		list := s.list[key.Text()]
		if s.inVain() {
			n = s.RNG.IntN(7)
		}
		n = min(n, len(list))
		s.list[key.Text()], s.held[key.Text()] = slices.Clone(list[:n]), min(s.held[key.Text()], int64(n))
		return s.answer(true, v)
	})
}

// move gives a file another name, unless there is a file of that name, and sometimes
// only a part of it, or a copy.
func (s *sim) move() {
	key := s.key()
	to := strings.ToUpper(key.Text())
	s.start(history.Op{F: "move", Key: key, Value: history.String(to)}, func() (history.Type, history.Value) {
		list := s.list[key.Text()]
		if _, taken := s.list[to]; taken {
			return s.answer(false, history.String(to))
		}
		if s.Wrong() && len(list) > 1 {
			list = list[s.RNG.IntN(2) : len(list)-s.RNG.IntN(2)]
		}
		s.list[to] = slices.Clone(list)
		if !s.inVain() {
			s.list[key.Text()], s.held[key.Text()] = nil, 0
		}
		return s.answer(true, history.String(to))
	})
}

func (s *sim) append() {
	key := s.key()
	s.next++
	v := s.next
	s.start(history.Op{F: "append", Key: key, Value: history.Int(v)}, func() (history.Type, history.Value) {
		if !s.Wrong() {
			s.list[key.Text()] = append(s.list[key.Text()], v)
		}
		return s.answer(true, history.Int(v))
	})
}

func (s *sim) sync() {
	key := s.key()
	s.start(history.Op{F: "sync", Key: key, Value: history.Nil}, func() (history.Type, history.Value) {
		n := int64(len(s.list[key.Text()]))
		if !s.Wrong() {
			s.held[key.Text()] = n
		} else if s.RNG.IntN(2) == 0 {
			n /= 2
		}
		if s.RNG.IntN(2) == 0 {
			return history.OK, history.Nil
		}
		return history.OK, history.Int(n)
	})
}

func (s *sim) readAll() {
	key := s.key()
	if _, moved := s.list[strings.ToUpper(key.Text())]; moved && s.RNG.IntN(2) == 0 {
		key = history.String(strings.ToUpper(key.Text()))
	}
	s.start(history.Op{F: "read", Key: key, Value: history.Nil}, func() (history.Type, history.Value) {
		list := slices.Clone(s.list[key.Text()])
		if s.Wrong() && len(list) > 0 {
			list[s.RNG.IntN(len(list))] = 1 + int64(s.RNG.IntN(int(s.next)+1))
		}
		if i := len(list) - 1; s.Wrong() && i > 0 {
			list[i], list[i-1] = list[i-1], list[i]
		}
		if s.Wrong() && len(list) > 0 {
			list = list[:s.RNG.IntN(len(list))]
		}
		return history.OK, history.Ints(list...)
	})
}

// crash loses what is not durable, in runs that go wrong; a record that a read
// has seen is not lost in those that are right, for it would leave a gap.
func (s *sim) crash() {
	if s.Wrong() {
		s.list["f"] = s.list["f"][:s.held["f"]:s.held["f"]]
	}
}
