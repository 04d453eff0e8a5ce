package eventlog

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge looks for everything that can be wrong. It fails if the time is over.
func (j *judge) judge(opts Options) error {
	for k := range j.keys {
		j.offsets(int32(k))
		j.values(int32(k))
	}
	j.torn()
	j.walked()
	for i := range j.txns {
		if err := j.stop(i); err != nil {
			return err
		}
		j.within(&j.txns[i])
		j.own(&j.txns[i])
	}
	if err := j.between(); err != nil {
		return err
	}
	j.groups()
	if err := j.cycles(opts); err != nil {
		return err
	}
	return j.lag()
}

// offsets looks at what is at each offset of a log.
func (j *judge) offsets(k int32) {
	p := j.keys[k]
	for _, i := range p.log {
		s := p.slots[i]
		if len(s.held) < 2 {
			continue
		}
		j.truncated(k, s)
		a, b := s.held[0], s.held[1]
		j.note(InconsistentOffsets, func() checkers.Anomaly {
			return j.anomaly(k, fmt.Sprintf("offset %d holds two values: %s, but %s", s.offset, j.showed(k, a), j.showed(k, b)), a.txn, b.txn)
		})
	}
}

// showed says how an operation shows what is at an offset.
func (j *judge) showed(k int32, h held) string {
	t := &j.txns[h.txn]
	for _, m := range t.polls {
		if m.key == k && m.value == h.value {
			return fmt.Sprintf("process %v polled %v there at %s", t.Invoke.Process, j.value(m), j.clock.At(t.Invoke))
		}
	}
	return fmt.Sprintf("process %v sent %v there at %s", t.Invoke.Process, j.keys[k].values.Value(h.value), j.clock.At(t.Invoke))
}

// values looks at each value of a log by itself.
func (j *judge) values(k int32) {
	p := j.keys[k]
	bound, newest := int32(-1), message{}
	for v := range p.about {
		if a := &p.about[v]; a.reader > 0 && a.slots > 0 && a.first > bound {
			bound, newest = a.first, message{key: k, value: int32(v)}
		}
	}
	for v := range p.about {
		a, m := &p.about[v], message{key: k, value: int32(v), slot: -1}
		switch {
		case a.reader > 0 && a.writer > 0 && !a.maybe:
			j.note(G1a, func() checkers.Anomaly {
				return j.anomaly(k, fmt.Sprintf("%s, but %s, and that failed, so it certainly did not happen", j.got(m), j.sender(m)), a.reader-1, a.writer-1)
			})
		case a.witness > 0 && a.writer == 0:
			j.note(ThinAirRead, func() checkers.Anomaly {
				t := &j.txns[a.witness-1]
				return j.anomaly(k, fmt.Sprintf("process %v polled %v at %s, which nobody sent", t.Invoke.Process, j.value(m), j.clock.At(t.Invoke)), a.witness-1)
			})
		case a.reader == 0 && a.slots > 0 && a.last <= bound && a.writer > 0 && j.txns[a.writer-1].commit && !a.gone:
			j.lost(m, newest)
		}
		if a.slots > 1 {
			j.duplicate(m)
		}
		if a.acked > 0 && a.reader == 0 && !a.gone {
			j.UnseenCount[p.name]++
			j.note(Unseen, func() checkers.Anomaly {
				return j.anomaly(k, fmt.Sprintf("%s, and it was acknowledged, but no poll ever returned it", j.sender(m)), a.acked-1)
			})
		}
	}
}

func (j *judge) lost(m, newest message) {
	p := j.keys[m.key]
	a, n := &p.about[m.value], &p.about[newest.value]
	j.note(LostWrite, func() checkers.Anomaly {
		how := "and it was acknowledged"
		if a.acked == 0 {
			how = "and something else that it sent was polled"
		}
		ops := slices.Concat(j.shown(p, a.last), j.shown(p, n.first), j.shown(p, n.last), []int32{a.writer - 1, n.reader - 1})
		return j.anomaly(m.key, fmt.Sprintf("%s, %s, at offset %d; %s, which is at offset %d, but nobody ever polled %v",
			j.sender(m), how, p.slots[p.log[a.last]].offset, j.got(newest), p.slots[p.log[n.first]].offset, j.value(m)), ops...)
	})
}

func (j *judge) duplicate(m message) {
	p := j.keys[m.key]
	a := &p.about[m.value]
	j.note(Duplicate, func() checkers.Anomaly {
		var ops []int32
		for _, place := range []int32{a.first, a.last} {
			for _, h := range p.slots[p.log[place]].held {
				if h.value == m.value {
					ops = append(ops, h.txn)
				}
			}
		}
		return j.anomaly(m.key, fmt.Sprintf("%v is at %d offsets: at %d, as process %v saw at %s, and at %d, as process %v saw at %s", j.value(m), a.slots,
			p.slots[p.log[a.first]].offset, j.txns[ops[0]].Invoke.Process, j.clock.At(j.txns[ops[0]].Invoke),
			p.slots[p.log[a.last]].offset, j.txns[ops[1]].Invoke.Process, j.clock.At(j.txns[ops[1]].Invoke)), ops...)
	})
}

// within looks at the polls and the sends of one operation.
func (j *judge) within(t *txn) {
	if len(t.grants) == 0 {
		j.neighbours(t, t.polls, IntPollSkip, IntNonmonotonicPoll, "polled")
	}
	j.neighbours(t, t.sends, IntSendSkip, IntNonmonotonicSend, "sent")
}

// mark remembers a message of a key for as long as one list is looked at.
type mark struct {
	list int
	message
}

// forget begins a new list, with no messages before.
func (j *judge) forget() {
	j.list++
	if j.marks == nil {
		j.marks = make([]mark, len(j.keys))
	}
}

// neighbours compares each message with the one of the same key before it.
func (j *judge) neighbours(t *txn, list []message, skip, back, verb string) {
	j.forget()
	for _, m := range list {
		if before := &j.marks[m.key]; before.list == j.list {
			j.compare(before.message, m, skip, back, verb, t, t)
		}
		j.marks[m.key] = mark{j.list, m}
	}
}

// compare notes if message b of one operation is not the one that follows message
// a of another, or the same. An empty name is for what is no error.
func (j *judge) compare(a, b message, skip, back, verb string, first, second *txn) {
	p := j.keys[a.key]
	by := over(second)
	own, last := p.steps(a, b, by)
	if skip != "" && (own > 1 || last > 1) {
		j.note(skip, func() checkers.Anomaly { return j.skipped(a, b, verb, own <= 1, first, second) })
	}
	if own < 1 || last < 1 {
		j.note(back, func() checkers.Anomaly {
			return j.pair(a.key, fmt.Sprintf("%s %s, and %s %s, which is not after it in the log",
				j.did(first, verb), j.at(a, own >= 1), j.then(first, second), j.at(b, own >= 1)), append(j.places(a, b, own >= 1), first, second)...)
		})
	}
}

func (j *judge) skipped(a, b message, verb string, byLast bool, first, second *txn) checkers.Anomaly {
	p := j.keys[a.key]
	place, _ := p.places(a)
	if byLast {
		_, place = p.places(a)
	}
	place = p.next(place+1, over(second))
	between := p.slots[p.log[place]]
	return j.pair(a.key, fmt.Sprintf("%s %s, and %s %s, but %v is at offset %d between them",
		j.did(first, verb), j.at(a, byLast), j.then(first, second), j.at(b, byLast), p.values.Value(between.held[0].value), between.offset), append(append(j.places(a, b, byLast), j.pick(j.shown(p, place))...), first, second)...)
}

// places returns the operations that show what is where two messages are.
func (j *judge) places(a, b message, byLast bool) []*txn {
	var txns []int32
	for _, m := range []message{a, b} {
		p := j.keys[m.key]
		own, last := p.places(m)
		if byLast {
			own = last
		}
		txns = append(txns, j.shown(p, own)...)
	}
	return j.pick(txns)
}

func (j *judge) pick(txns []int32) []*txn {
	var list []*txn
	for _, t := range txns {
		list = append(list, &j.txns[t])
	}
	return list
}

// at says where a message is: "7 at offset 3".
func (j *judge) at(m message, byLast bool) string {
	p := j.keys[m.key]
	own, last := p.places(m)
	if byLast {
		own = last
	}
	return fmt.Sprintf("%v at offset %d", j.value(m), p.slots[p.log[own]].offset)
}

func (j *judge) did(t *txn, verb string) string {
	return fmt.Sprintf("process %v %s, at %s,", t.Invoke.Process, verb, j.clock.At(t.Invoke))
}

// then introduces what came after the first operation, or later in it.
func (j *judge) then(first, second *txn) string {
	if first == second {
		return "then"
	}
	return fmt.Sprintf("then, at %s,", j.clock.At(second.Invoke))
}

// own looks for an operation that polled what it sent.
func (j *judge) own(t *txn) {
	if len(t.sends) == 0 || len(t.polls) == 0 {
		return
	}
	sent := map[[2]int32]bool{}
	for _, m := range t.sends {
		sent[[2]int32{m.key, m.value}] = true
	}
	for _, m := range t.polls {
		if sent[[2]int32{m.key, m.value}] {
			j.note(PrecommittedRead, func() checkers.Anomaly {
				return j.pair(m.key, fmt.Sprintf("process %v sent %v at %s and polled it in the same transaction, before that was committed", t.Invoke.Process, j.value(m), j.clock.At(t.Invoke)), t)
			})
			return
		}
	}
}

// position is the last message that a process sent to, or polled from, a key.
type position struct {
	message
	txn *txn
}

// between compares what each process polled and sent with what it did before. What
// it was assigned or subscribed to replaces the keys that it has a position in.
func (j *judge) between() error {
	polls, sends := map[history.Process]map[int32]position{}, map[history.Process]map[int32]position{}
	seeks := map[history.Process]map[int32]seek{}
	for i := range j.txns {
		if err := j.stop(i); err != nil {
			return err
		}
		t := &j.txns[i]
		p := t.Invoke.Process
		if polls[p] == nil {
			polls[p], sends[p] = map[int32]position{}, map[int32]position{}
		}
		if t.Invoke.F == "assign" || t.Invoke.F == "subscribe" {
			if t.Type() != history.Fail {
				polls[p], sends[p] = only(polls[p], t.keys), only(sends[p], t.keys)
				delete(seeks, p)
			}
			continue
		}
		if len(t.grants) > 0 {
			clear(polls[p])
		}
		j.sought(t, seeks, polls[p])
		j.follow(t, t.polls, polls[p], t.Type() == history.OK, PollSkip, NonmonotonicPoll, "polled")
		if t.Type() != history.Fail {
			j.follow(t, t.sends, sends[p], true, "", NonmonotonicSend, "sent")
		}
	}
	return nil
}

// over returns the index by which an operation had ended.
func over(t *txn) int {
	if t.Type() != history.OK {
		return never
	}
	return t.Complete.Index
}

// only returns the positions in the given keys.
func only(positions map[int32]position, keys []int32) map[int32]position {
	kept := map[int32]position{}
	for _, k := range keys {
		if at, ok := positions[k]; ok {
			kept[k] = at
		}
	}
	return kept
}

// follow compares the first message of each key with the last one before the
// operation, and, if it counts, moves on to its last one.
func (j *judge) follow(t *txn, list []message, at map[int32]position, counts bool, skip, back, verb string) {
	j.forget()
	for _, m := range list {
		if j.marks[m.key].list != j.list {
			if before, ok := at[m.key]; ok {
				j.compare(before.message, m, skip, back, verb, before.txn, t)
			}
		}
		j.marks[m.key] = mark{j.list, m}
	}
	for i := len(list) - 1; i >= 0 && counts; i-- {
		if j.marks[list[i].key].list == j.list {
			at[list[i].key] = position{list[i], t}
			j.marks[list[i].key].list = 0
		}
	}
}

func (j *judge) value(m message) history.Value { return j.keys[m.key].values.Value(m.value) }

// got says who polled a value first: "process 2 polled 7 at 3 ms".
func (j *judge) got(m message) string {
	t := &j.txns[j.keys[m.key].about[m.value].reader-1]
	return fmt.Sprintf("process %v polled %v at %s", t.Invoke.Process, j.value(m), j.clock.At(t.Invoke))
}

// sender says who sent a value.
func (j *judge) sender(m message) string {
	t := &j.txns[j.keys[m.key].about[m.value].writer-1]
	return fmt.Sprintf("process %v sent %v at %s", t.Invoke.Process, j.value(m), j.clock.At(t.Invoke))
}

// anomaly returns an anomaly of a key; operations are numbers of transactions. One
// whose outcome is unknown comes with the poll that shows that it took effect.
func (j *judge) anomaly(k int32, what string, txns ...int32) checkers.Anomaly {
	a := checkers.Anomaly{Key: j.keys[k].name, Explanation: what}
	for _, i := range txns {
		t := &j.txns[i]
		a.Ops = append(a.Ops, t.Invoke.Index)
		if t.commit && t.Type() == history.Info {
			a.Ops = append(a.Ops, j.txns[j.proof(t)].Invoke.Index)
		}
	}
	return a
}

func (j *judge) pair(k int32, what string, txns ...*txn) checkers.Anomaly {
	var numbers []int32
	for _, t := range txns {
		numbers = append(numbers, t.at)
	}
	return j.anomaly(k, what, numbers...)
}
