package ledger

import (
	"math/rand/v2"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// sim makes up small histories of a ledger of three nodes. With noise, anything
// can go wrong at any step.
type sim struct {
	rulestest.Sim
	calm   bool // no forks, and all that is accepted is on the chain at once
	blocks []*mined
	tips   map[string]*mined
	txs    []history.Value
	dead   map[string]bool
	told   int  // blocks that observations have listed
	finals bool // nodes say what is final
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

func text(s string) history.Value { return history.String(s) }

// finish completes an operation; the history may end before it comes back.
func (s *sim) finish() {
	if p, ok := s.Take(); ok {
		if p.Op.Type, p.Op.Value = p.Effect(); p.Op.Type != history.Info || s.RNG.IntN(2) > 0 {
			s.Record(p.Op)
		}
	}
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
	s := &sim{Sim: rulestest.Sim{RNG: rng, Noise: noise, Step: 3}, finals: rng.IntN(2) == 0, tips: map[string]*mined{}, dead: map[string]bool{}}
	g := &mined{id: "g", balance: map[string]int64{"a": 5, "b": 5}, txs: []history.Value{
		rulestest.Fields("id", text("m1"), "to", text("a"), "amount", history.Int(5)), rulestest.Fields("id", text("m2"), "to", text("b"), "amount", history.Int(5))}}
	g.text = rulestest.Fields("id", text("g"), "height", history.Int(0), "work", history.Int(1), "txs", history.List(g.txs...))
	s.blocks = []*mined{g}
	for _, n := range nodes {
		s.tips[n] = g
	}
	return s
}

// mine adds a block to the chain of a node, or to the longest one if all is calm.
func (s *sim) mine() {
	node := nodes[s.RNG.IntN(3)]
	if s.calm {
		s.tips[node] = s.blocks[len(s.blocks)-1]
	}
	parent := s.tips[node]
	if s.Wrong() {
		parent = s.blocks[s.RNG.IntN(len(s.blocks))]
	}
	b := &mined{id: string(rune('A' + len(s.blocks))), parent: parent, height: parent.height + 1, balance: map[string]int64{}}
	for a, n := range parent.balance {
		b.balance[a] = n
	}
	if s.Wrong() {
		b.height++
	}
	for _, t := range s.txs {
		id := t.Get("id").Text()
		amount, _ := t.Get("amount").Int()
		fee, _ := t.Get("fee").Int()
		from, to := t.Get("from").Text(), t.Get("to").Text()
		spent := slices.ContainsFunc(b.chain(), func(c *mined) bool {
			return slices.ContainsFunc(c.txs, func(u history.Value) bool {
				return u.Get("from").Equal(t.Get("from")) && u.Get("nonce").Equal(t.Get("nonce"))
			})
		})
		if spent && s.Noise > 0 {
			spent = s.RNG.IntN(6) > 0 // which is rare enough
		}
		fits := !b.has(id) && !s.dead[id] && b.balance[from] >= amount+fee && !spent
		if s.Wrong() {
			fits = !fits
			if s.RNG.IntN(3) == 0 {
				t = rulestest.Fields("id", t.Get("id"), "from", t.Get("from"), "to", t.Get("to"), "amount", t.Get("amount"), "nonce", history.Int(9))
			}
		}
		if fits {
			b.txs = append(b.txs, t)
			b.balance[from] -= amount + fee
			b.balance[to] += amount
		}
	}
	if s.RNG.IntN(2) == 0 {
		reward := int64(1)
		if s.Wrong() {
			reward += 3
		}
		b.txs = append(b.txs, rulestest.Fields("id", text("r"+b.id), "to", text("m"), "amount", history.Int(reward)))
		b.balance["m"] += reward
	}
	b.text = rulestest.Fields("id", text(b.id), "parent", text(parent.id), "height", history.Int(b.height), "txs", history.List(b.txs...), "miner", text(node))
	if !s.Wrong() {
		b.text = with(b.text, "work", history.Int(int64(1+s.RNG.IntN(3))))
	}
	s.blocks = append(s.blocks, b)
	s.tips[node] = b
}

// gossip lets a node learn of the longest chain.
func (s *sim) gossip() {
	node := nodes[s.RNG.IntN(3)]
	for _, n := range nodes {
		if b := s.tips[n]; b.height > s.tips[node].height {
			s.tips[node] = b
		}
	}
	if s.Wrong() {
		s.tips[node] = s.blocks[s.RNG.IntN(len(s.blocks))]
	}
}

func (s *sim) observe(final bool) {
	node := nodes[s.RNG.IntN(3)]
	s.look(node, []string{"observe", "observe", "balances"}[s.RNG.IntN(3)], final)
}

func (s *sim) look(node, f string, final bool) {
	s.Start(history.Op{F: f, Node: node, Final: final}, func() (history.Type, history.Value) {
		tip := s.tips[node]
		if f == "balances" {
			return history.OK, s.accounts(tip)
		}
		var list, votes []history.Value
		if s.RNG.IntN(6) == 0 {
			s.told = 0
		}
		for s.told < len(s.blocks) && !(s.Noise > 0 && s.RNG.IntN(20) == 0) {
			b := s.blocks[s.told]
			s.told++
			v := b.text
			if twice := s.Wrong(); twice && s.Wrong() {
				v = rulestest.Fields("id", text(b.id), "height", history.Int(b.height))
			}
			list = append(list, v)
		}
		final := s.blocks[0]
		if s.Noise > 0 && s.RNG.IntN(4) == 0 {
			final = s.blocks[s.RNG.IntN(len(s.blocks))]
		}
		for range s.RNG.IntN(2) {
			block := "A"
			if s.Wrong() {
				block = "B"
			}
			votes = append(votes, rulestest.Fields("validator", text(nodes[s.RNG.IntN(3)]), "height", history.Int(1), "round", history.Int(0), "step", text("x"), "block", text(block)))
		}
		bound := s.blocks[0]
		if s.Wrong() {
			bound = s.blocks[s.RNG.IntN(len(s.blocks))]
		}
		v := rulestest.Fields("tip", text(tip.id), "bound", text(bound.id), "blocks", history.List(list...), "votes", history.List(votes...))
		if s.finals {
			v = with(v, "finalized", text(final.id))
		}
		if len(s.txs) > 0 && s.Wrong() {
			v = with(v, "expired", history.List(s.txs[s.RNG.IntN(len(s.txs))].Get("id")))
		}
		if s.Wrong() && s.RNG.IntN(8) == 0 {
			v = with(v, []string{"false", "unproven"}[s.RNG.IntN(2)], text("a signature"))
		}
		return history.OK, v
	})
}

func (s *sim) accounts(tip *mined) history.Value {
	var list []history.Value
	for _, a := range []string{"a", "b", "m"} {
		n := tip.balance[a]
		if s.Wrong() {
			n++
		}
		if n != 0 || s.RNG.IntN(2) == 0 {
			list = append(list, text(a), history.Int(n))
		}
	}
	return rulestest.Fields("tip", text(tip.id), "accounts", history.Map(list...))
}

func (s *sim) submit() {
	id := string(rune('s' + len(s.txs)))
	from, to := "a", "b"
	if s.RNG.IntN(2) == 0 {
		from, to = to, from
	}
	t := rulestest.Fields("id", text(id), "from", text(from), "to", text(to), "amount", history.Int(int64(s.RNG.IntN(4))),
		"fee", history.Int(int64(s.RNG.IntN(2))), "nonce", history.Int(int64(s.RNG.IntN(3))))
	s.txs = append(s.txs, t)
	refused := s.RNG.IntN(4) == 0
	s.dead[id] = refused
	if s.Wrong() {
		s.dead[id] = !refused
	}
	s.dead[id] = s.dead[id] || s.calm
	maybe := s.RNG.IntN(4) == 0
	if s.RNG.IntN(12) == 0 && s.Noise > 0 {
		return // nobody submits it
	}
	s.Start(history.Op{F: "transfer", Node: nodes[s.RNG.IntN(3)], Value: t}, func() (history.Type, history.Value) {
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
		case s.finals:
			return history.OK, with(t, "until", history.Int(int64(s.RNG.IntN(4))))
		default:
			return history.OK, t
		}
	})
}

func (s *sim) ask(final bool) {
	if len(s.txs) == 0 {
		return
	}
	id := s.txs[s.RNG.IntN(len(s.txs))].Get("id").Text()
	node := nodes[s.RNG.IntN(3)]
	s.Start(history.Op{F: "status", Node: node, Value: text(id), Final: final}, func() (history.Type, history.Value) {
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
		if s.Wrong() {
			says = []string{"confirmed", "unknown", "expired"}[s.RNG.IntN(3)]
		}
		return history.OK, text(says)
	})
}

// run makes a history of some steps.
func (s *sim) run(steps int) *history.History {
	for range steps {
		switch s.RNG.IntN(9) {
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
	if s.calm || s.RNG.IntN(2) == 0 {
		for s.calm && len(s.Open) > 0 {
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
	for len(s.Open) > 0 && (s.calm || s.RNG.IntN(8) > 0) {
		s.finish()
	}
	return &s.H
}
