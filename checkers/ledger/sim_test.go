package ledger

import (
	"math/rand/v2"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// sim makes up small histories of a ledger of three nodes. With noise, anything
// can go wrong at any step.
type sim struct {
	rng    *rand.Rand
	noise  int  // one step in so many goes wrong; 0 for none
	calm   bool // no forks, and all that is accepted is on the chain at once
	h      history.History
	open   []pending
	blocks []*mined
	tips   map[string]*mined
	txs    []history.Value
	dead   map[string]bool
	told   int // blocks that observations have listed
	times  int64
}

// mined is a block of the simulation.
type mined struct {
	id      string
	parent  *mined
	height  int64
	txs     []history.Value
	text    history.Value
	balance map[string]int64
}

type pending struct {
	op     history.Op
	result func() (history.Type, history.Value)
}

func text(s string) history.Value { return history.String(s) }

func fields(kvs ...any) history.Value {
	var list []history.Value
	for i := 0; i < len(kvs); i += 2 {
		list = append(list, text(kvs[i].(string)), kvs[i+1].(history.Value))
	}
	return history.Map(list...)
}

func (s *sim) wrong() bool { return s.noise > 0 && s.rng.IntN(s.noise) == 0 }

func (s *sim) record(op history.Op) {
	s.times += int64(s.rng.IntN(3)) * 1e6
	op.Index, op.Time = len(s.h.Ops), s.times
	s.h.Ops = append(s.h.Ops, op)
}

// start invokes an operation; finish completes one.
func (s *sim) start(op history.Op, result func() (history.Type, history.Value)) {
	op.Process = history.Process(len(s.h.Ops))
	s.record(op)
	s.open = append(s.open, pending{op, result})
}

func (s *sim) finish() {
	if len(s.open) == 0 {
		return
	}
	i := s.rng.IntN(len(s.open))
	p := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	op := p.op
	op.Type, op.Value = p.result()
	if op.Type == history.Info && s.rng.IntN(2) == 0 {
		return // the history ends before it comes back
	}
	s.record(op)
}

func (m *mined) chain() []*mined {
	var list []*mined
	for b := m; b != nil; b = b.parent {
		list = append(list, b)
	}
	return list
}

func (m *mined) has(id string) bool {
	return slices.ContainsFunc(m.chain(), func(b *mined) bool {
		return slices.ContainsFunc(b.txs, func(t history.Value) bool { return t.Get("id").Text() == id })
	})
}

var nodes = []string{"n1", "n2", "n3"}

func newSim(rng *rand.Rand, noise int) *sim {
	s := &sim{rng: rng, noise: noise, tips: map[string]*mined{}, dead: map[string]bool{}}
	g := &mined{id: "g", balance: map[string]int64{"a": 5, "b": 5}, txs: []history.Value{
		fields("id", text("m1"), "to", text("a"), "amount", history.Int(5)), fields("id", text("m2"), "to", text("b"), "amount", history.Int(5))}}
	g.text = fields("id", text("g"), "height", history.Int(0), "work", history.Int(1), "txs", history.List(g.txs...))
	s.blocks = []*mined{g}
	for _, n := range nodes {
		s.tips[n] = g
	}
	return s
}

// mine adds a block to the chain of a node, or to the longest one if all is calm.
func (s *sim) mine() {
	node := nodes[s.rng.IntN(3)]
	if s.calm {
		s.tips[node] = s.blocks[len(s.blocks)-1]
	}
	parent := s.tips[node]
	if s.wrong() {
		parent = s.blocks[s.rng.IntN(len(s.blocks))]
	}
	b := &mined{id: string(rune('A' + len(s.blocks))), parent: parent, height: parent.height + 1, balance: map[string]int64{}}
	for a, n := range parent.balance {
		b.balance[a] = n
	}
	if s.wrong() {
		b.height++
	}
	for _, t := range s.txs {
		id := t.Get("id").Text()
		amount, _ := t.Get("amount").Int()
		fee, _ := t.Get("fee").Int()
		from, to := t.Get("from").Text(), t.Get("to").Text()
		fits := !b.has(id) && !s.dead[id] && b.balance[from] >= amount+fee && !slices.ContainsFunc(b.chain(), func(c *mined) bool {
			return slices.ContainsFunc(c.txs, func(u history.Value) bool {
				return u.Get("from").Equal(t.Get("from")) && u.Get("nonce").Equal(t.Get("nonce"))
			})
		})
		if s.wrong() {
			fits = !fits
			if s.rng.IntN(3) == 0 {
				t = fields("id", t.Get("id"), "from", t.Get("from"), "to", t.Get("to"), "amount", t.Get("amount"), "nonce", history.Int(9))
			}
		}
		if fits {
			b.txs = append(b.txs, t)
			b.balance[from] -= amount + fee
			b.balance[to] += amount
		}
	}
	if s.rng.IntN(2) == 0 {
		reward := int64(1)
		if s.wrong() {
			reward += 3
		}
		b.txs = append(b.txs, fields("id", text("r"+b.id), "to", text("m"), "amount", history.Int(reward)))
		b.balance["m"] += reward
	}
	b.text = fields("id", text(b.id), "parent", text(parent.id), "height", history.Int(b.height), "txs", history.List(b.txs...), "miner", text(node))
	if !s.wrong() {
		b.text = with(b.text, "work", history.Int(int64(1+s.rng.IntN(3))))
	}
	s.blocks = append(s.blocks, b)
	s.tips[node] = b
}

// gossip lets a node learn of the longest chain.
func (s *sim) gossip() {
	node := nodes[s.rng.IntN(3)]
	for _, n := range nodes {
		if b := s.tips[n]; b.height > s.tips[node].height {
			s.tips[node] = b
		}
	}
	if s.wrong() {
		s.tips[node] = s.blocks[s.rng.IntN(len(s.blocks))]
	}
}

func (s *sim) observe(final bool) {
	node := nodes[s.rng.IntN(3)]
	s.look(node, []string{"observe", "observe", "balances"}[s.rng.IntN(3)], final)
}

func (s *sim) look(node, f string, final bool) {
	s.start(history.Op{F: f, Node: node, Final: final}, func() (history.Type, history.Value) {
		tip := s.tips[node]
		if f == "balances" {
			return history.OK, s.accounts(tip)
		}
		var list, votes []history.Value
		if s.rng.IntN(6) == 0 {
			s.told = 0
		}
		for s.told < len(s.blocks) && !(s.noise > 0 && s.rng.IntN(20) == 0) {
			b := s.blocks[s.told]
			s.told++
			v := b.text
			if twice := s.wrong(); twice && s.wrong() {
				v = fields("id", text(b.id), "height", history.Int(b.height))
			}
			list = append(list, v)
		}
		final := s.blocks[0]
		if s.noise > 0 && s.rng.IntN(4) == 0 {
			final = s.blocks[s.rng.IntN(len(s.blocks))]
		}
		for range s.rng.IntN(2) {
			block := "A"
			if s.wrong() {
				block = "B"
			}
			votes = append(votes, fields("validator", text(nodes[s.rng.IntN(3)]), "height", history.Int(1), "round", history.Int(0), "step", text("x"), "block", text(block)))
		}
		bound := s.blocks[0]
		if s.wrong() {
			bound = s.blocks[s.rng.IntN(len(s.blocks))]
		}
		return history.OK, fields("tip", text(tip.id), "bound", text(bound.id), "finalized", text(final.id), "blocks", history.List(list...), "votes", history.List(votes...))
	})
}

func (s *sim) accounts(tip *mined) history.Value {
	var list []history.Value
	for _, a := range []string{"a", "b", "m"} {
		n := tip.balance[a]
		if s.wrong() {
			n++
		}
		if n != 0 || s.rng.IntN(2) == 0 {
			list = append(list, text(a), history.Int(n))
		}
	}
	return fields("tip", text(tip.id), "accounts", history.Map(list...))
}

func (s *sim) submit() {
	id := string(rune('s' + len(s.txs)))
	from, to := "a", "b"
	if s.rng.IntN(2) == 0 {
		from, to = to, from
	}
	t := fields("id", text(id), "from", text(from), "to", text(to), "amount", history.Int(int64(s.rng.IntN(4))),
		"fee", history.Int(int64(s.rng.IntN(2))), "nonce", history.Int(int64(s.rng.IntN(3))))
	s.txs = append(s.txs, t)
	refused := s.rng.IntN(4) == 0
	s.dead[id] = refused
	if s.wrong() {
		s.dead[id] = !refused
	}
	s.dead[id] = s.dead[id] || s.calm
	maybe := s.rng.IntN(4) == 0
	if s.rng.IntN(12) == 0 && s.noise > 0 {
		return // nobody submits it
	}
	s.start(history.Op{F: "transfer", Node: nodes[s.rng.IntN(3)], Value: t}, func() (history.Type, history.Value) {
		if s.calm {
			s.dead[id] = false
			s.mine()
			if s.dead[id] = !s.blocks[len(s.blocks)-1].has(id); s.dead[id] {
				return history.Fail, t
			}
			return history.OK, t
		}
		switch {
		case refused:
			return history.Fail, t
		case maybe:
			return history.Info, t
		default:
			return history.OK, t
		}
	})
}

func (s *sim) ask(final bool) {
	if len(s.txs) == 0 {
		return
	}
	id := s.txs[s.rng.IntN(len(s.txs))].Get("id").Text()
	node := nodes[s.rng.IntN(3)]
	s.start(history.Op{F: "status", Node: node, Value: text(id), Final: final}, func() (history.Type, history.Value) {
		says := "pending"
		switch {
		case s.dead[id]:
			says = "rejected"
			if s.calm {
				says = "pending" // it may still be mined
			}
		case s.tips[node].has(id):
			says = "confirmed"
		}
		if s.wrong() {
			says = []string{"confirmed", "unknown", "expired"}[s.rng.IntN(3)]
		}
		return history.OK, text(says)
	})
}

// run makes a history of some steps.
func (s *sim) run(steps int) *history.History {
	for range steps {
		switch s.rng.IntN(9) {
		case 0:
			s.mine()
		case 1:
			s.gossip()
		case 2, 3:
			s.observe(false)
		case 4:
			s.submit()
		case 5:
			s.ask(false)
		default:
			s.finish()
		}
	}
	if s.calm || s.rng.IntN(2) == 0 {
		for s.calm && len(s.open) > 0 {
			s.finish()
		}
		for range 8 {
			s.gossip()
		}
		for _, n := range nodes {
			if s.calm {
				s.tips[n] = s.blocks[len(s.blocks)-1]
			}
		}
		s.observe(true)
		s.observe(true)
		s.ask(true)
	}
	if s.calm {
		s.told = 0
		s.look("n1", "observe", true) // describes all blocks
	}
	for len(s.open) > 0 && (s.calm || s.rng.IntN(8) > 0) {
		s.finish()
	}
	return &s.h
}
