package systems

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// rules are those of single cores. Roles: v is a view; d an observation that was
// the first to describe a block that matters, which is on the chain of v; t a
// submission; s a status.
func (l *chains) rules() map[string]roleRule {
	view := func(o *claim.Op) *chainView { return l.views[o] }
	fork := func(settled func(*chainView) *chainBlock) roleRule { // v, v
		return roleRule{2, func(o []*claim.Op, _ string) bool {
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && !l.provisional && conflict(settled(v), settled(w))
		}}
	}
	reversal := func(settled func(*chainView) *chainBlock, excused func(v, w *chainView) bool) roleRule { // v, v
		return roleRule{2, func(o []*claim.Op, _ string) bool {
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && !l.provisional && settled(v) != nil && l.binds(v, w) && !settled(v).on(w.tip) && !excused(v, w)
		}}
	}
	return map[string]roleRule{
		"finality-fork": fork(finalOf), "confirmed-fork": fork(confirmedOf),
		"finality-reversal": reversal(finalOf, l.behind), "deep-reorg": reversal(confirmedOf, func(_, _ *chainView) bool { return false }),
		"stalled-finality": {2, func(o []*claim.Op, _ string) bool { // v, v
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && l.stalled(v, w)
		}},
		"lighter-chain": {2, func(o []*claim.Op, _ string) bool { // v, v
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && v.weighs() && w.weighs() && v.Invoke.Node == w.Invoke.Node && v.Before(w.Op) && lighter(v, w)
		}},
		"double-spend":       {3, l.doubleSpend},                                                                                 // v, d, d; item: the second transfer
		"duplicate-transfer": {3, l.duplicate},                                                                                   // v, d, d; item: the transfer
		"negative-balance":   {2, func(o []*claim.Op, item string) bool { return l.brokenBlock(o, item, "negative-balance") }},   // v, d; item: the block
		"inflation":          {2, func(o []*claim.Op, item string) bool { return l.brokenBlock(o, item, "inflation") }},          // v, d; item: the block
		"invalid-block":      {2, func(o []*claim.Op, item string) bool { return l.brokenBlock(o, item, "invalid-block") }},      // v, d; item: the block
		"conservation":       {1, func(o []*claim.Op, _ string) bool { return view(o[0]) != nil && l.sumOff(view(o[0])) }},       // v
		"wrong-balance":      {1, func(o []*claim.Op, item string) bool { return view(o[0]) != nil && l.off(view(o[0]), item) }}, // v; item: the account
		"lost-transfer":      {2, l.lost},                                                                                        // t, v; item: the transfer
		"aborted-transfer":   {3, l.unlike("aborted-transfer")},                                                                  // v, d, t; item: the transfer
		"altered-transfer":   {3, l.unlike("altered-transfer")},                                                                  // v, d, t; item: the transfer
		"phantom-transfer":   {2, l.unlike("phantom-transfer")},                                                                  // v, d; item: the transfer
		"vanished-transfer": {2, func(o []*claim.Op, item string) bool { // s, s or s, v
			return asks(o[0], item) && (l.vanished(o[0], o[1]) || l.missing(o[0], view(o[1])))
		}},
		"status-flip": {2, func(o []*claim.Op, item string) bool { // s, s or v, d
			return l.flipped(o[0], o[1]) && asks(o[0], item) || l.undead(view(o[0]), o[1], item)
		}},
		"early-status":       {2, func(o []*claim.Op, item string) bool { return asks(o[0], item) && l.early(o[0], view(o[1])) }}, // s, v
		"false-proof":        {1, func(o []*claim.Op, _ string) bool { return l.falsified(o[0], "false") }},                       // an answer
		"false-finality":     {1, func(o []*claim.Op, _ string) bool { return l.falsified(o[0], "unproven") }},                    // an answer
		"inconsistent-block": {2, l.inconsistent},                                                                                 // two observations; item: the block
		"double-sign":        {2, l.doubleSign},                                                                                   // two observations; item: the validator
	}
}

// weighs reports whether a view shows a chain whose work is known.
func (w *chainView) weighs() bool { return w.accounts == nil && w.tip.total > 0 }

// lighter reports whether a node that had the chain of v should not have gone
// over to that of w: it has less work, and w was not bound to a block that v lacks.
func lighter(v, w *chainView) bool {
	return w.tip.total < v.tip.total && (w.free || w.bound.rooted() && w.bound.on(v.tip))
}

func conflict(a, b *chainBlock) bool { return a != nil && b != nil && !a.on(b) && !b.on(a) }

// binds reports whether what was settled for v has to be on the chain of w.
func (l *chains) binds(v, w *chainView) bool {
	late := l.delta > 0 && v.Complete.Time+l.delta < w.Invoke.Time
	return v.Before(w.Op) && (v.Invoke.Node == w.Invoke.Node || w.Invoke.Final || late)
}

// behind reports whether a view of the final phase may lack what was final for another
// node: its own node stands still at final blocks that are on both chains.
func (l *chains) behind(v, w *chainView) bool {
	if !w.Invoke.Final || v.Invoke.Node == w.Invoke.Node {
		return false
	}
	below := func(b *chainBlock) bool { return b.on(v.final) && b.on(w.tip) }
	stands := false
	for _, s := range l.still {
		if s[1].Invoke.Node == w.Invoke.Node {
			if stands = true; !below(s[1].final) {
				return false
			}
		}
	}
	return stands && (w.final == nil || below(w.final))
}

// waits reports whether a node may not know of a transfer what another one says: it
// stands still, its final blocks never had it, and a chain of the final phase has it
// that builds on those by which it stands still.
func (l *chains) waits(s, t *claim.Op) bool {
	var still []*chainBlock
	for _, p := range l.still {
		if p[1].Invoke.Node == t.Invoke.Node {
			still = append(still, p[1].final)
		}
	}
	if !t.Invoke.Final || s.Invoke.Node == t.Invoke.Node || len(still) == 0 {
		return false
	}
	has := func(tip *chainBlock) bool {
		by, _ := l.places(tip, func(u chainTx) bool { return u.id == idOf(s.Invoke.Value) })
		return len(by) > 0
	}
	return !slices.ContainsFunc(l.seen, func(w *chainView) bool { return w.Invoke.Node == t.Invoke.Node && has(w.final) }) &&
		slices.ContainsFunc(l.seen, func(w *chainView) bool {
			return w.Invoke.Final && has(w.tip) && !slices.ContainsFunc(still, func(b *chainBlock) bool { return !b.on(w.tip) })
		})
}

// chain returns the blocks of a chain, the tip first.
func (l *chains) chain(tip *chainBlock) []*chainBlock {
	var list []*chainBlock
	for b := tip; b != nil; b = l.blocks[b.parent] {
		list = append(list, b)
	}
	return list
}

// places returns who described the blocks of a chain with transfers that hold,
// once for each transfer.
func (l *chains) places(tip *chainBlock, holds func(chainTx) bool) (list []*claim.Op, txs []chainTx) {
	for _, b := range l.chain(tip) {
		for _, t := range b.txs {
			if holds(t) {
				list, txs = append(list, b.by), append(txs, t)
			}
		}
	}
	return list, txs
}

func (l *chains) duplicate(o []*claim.Op, item string) bool {
	v := l.views[o[0]]
	if v == nil {
		return false
	}
	by, _ := l.places(v.tip, func(t chainTx) bool { return plainID(t.id) == item })
	return len(by) > 1 && slices.Contains(by, o[1]) && slices.Contains(by, o[2])
}

func (l *chains) doubleSpend(o []*claim.Op, item string) bool {
	v := l.views[o[0]]
	if v == nil {
		return false
	}
	by, second := l.places(v.tip, func(t chainTx) bool { return plainID(t.id) == item && t.nonce != "" })
	for i, t := range second {
		others, _ := l.places(v.tip, func(u chainTx) bool { return u.nonce == t.nonce && u.id != t.id })
		if by[i] == o[2] && slices.Contains(others, o[1]) {
			return true
		}
	}
	return false
}

// brokenBlock reports whether a block of a chain breaks a rule by itself, or
// leaves an account below zero.
func (l *chains) brokenBlock(o []*claim.Op, item, rule string) bool {
	v := l.views[o[0]]
	if v == nil {
		return false
	}
	for _, b := range l.chain(v.tip) {
		if plainID(b.id) != item || b.by != o[1] {
			continue
		}
		switch rule {
		case "invalid-block":
			return l.misplaced(b)
		case "inflation":
			return b.parent != "" && b.minted() > l.reward+b.fees()
		default:
			for _, n := range l.balances(b) {
				if n < 0 {
					return true
				}
			}
		}
	}
	return false
}

func (l *chains) misplaced(b *chainBlock) bool {
	return b.parent != "" && b.height != l.blocks[b.parent].height+1
}

func (b *chainBlock) minted() (sum int64) {
	for _, t := range b.txs {
		if t.from == "" {
			sum += t.amount
		}
	}
	return sum
}

func (b *chainBlock) fees() (sum int64) {
	for _, t := range b.txs {
		if t.from != "" {
			sum += t.fee
		}
	}
	return sum
}

// pay adds the transfers of a block to balances, or takes them back.
func (b *chainBlock) pay(balances map[string]int64, sign int64) {
	for _, t := range b.txs {
		if t.from != "" {
			balances[t.from] -= sign * (t.amount + t.fee)
		}
		if t.to != "" {
			balances[t.to] += sign * t.amount
		}
	}
}

// balances returns what the accounts have after a block.
func (l *chains) balances(tip *chainBlock) map[string]int64 {
	all := make(map[string]int64)
	for _, b := range l.chain(tip) {
		b.pay(all, 1)
	}
	return all
}

func (l *chains) sumOff(v *chainView) bool {
	return v.accounts != nil && totalMoney(v.accounts) != totalMoney(l.balances(v.tip))
}

func (l *chains) off(v *chainView, account string) bool {
	all := l.balances(v.tip)
	for a, n := range all {
		if plainID(a) == account && v.accounts != nil && v.accounts[a] != n {
			return true
		}
	}
	for a, n := range v.accounts {
		if plainID(a) == account && all[a] != n {
			return true
		}
	}
	return false
}

func totalMoney(balances map[string]int64) (sum int64) {
	for _, n := range balances {
		sum += n
	}
	return sum
}

// accepted reports whether an honest node accepted a transfer, and nobody said
// that it will not be on the chain.
func (l *chains) accepted(t *claim.Op) bool {
	return t.Invoke.F == "transfer" && t.Happened() && !l.lies(t.Invoke.Node)
}

// due reports whether view v has to show a transfer that was accepted.
func (l *chains) due(t *claim.Op, v *chainView) bool {
	if !v.Invoke.Final || !t.Before(v.Op) || t.Complete.Time+l.inclusion > v.Invoke.Time {
		return false
	}
	until, limited := t.Complete.Value.Get("until").Int()
	return !limited || v.Invoke.Node == t.Invoke.Node && v.final != nil && v.final.height >= until
}

func (l *chains) expired(id string) bool {
	return l.gone[id] || slices.ContainsFunc(l.statuses, func(s *claim.Op) bool { return idOf(s.Invoke.Value) == id && refusal(s) })
}

func (l *chains) lost(o []*claim.Op, item string) bool {
	v, id := l.views[o[1]], idOf(o[0].Invoke.Value.Get("id"))
	if v == nil || plainID(id) != item || !l.accepted(o[0]) || !l.due(o[0], v) || l.expired(id) {
		return false
	}
	by, _ := l.places(v.tip, func(t chainTx) bool { return t.id == id })
	return len(by) == 0
}

// unlike returns whether a transfer on a chain is not as it was submitted.
func (l *chains) unlike(rule string) func(o []*claim.Op, item string) bool {
	return func(o []*claim.Op, item string) bool {
		v := l.views[o[0]]
		if v == nil {
			return false
		}
		by, txs := l.places(v.tip, func(t chainTx) bool { return plainID(t.id) == item })
		for i, t := range txs {
			if by[i] == o[1] && l.strange(t) == rule && (len(o) == 2 || slices.Contains(l.submitted[t.id], o[2])) {
				return true
			}
		}
		return false
	}
}

// strange returns the rule that a transfer on a chain breaks, or "".
func (l *chains) strange(t chainTx) string {
	all := l.submitted[t.id]
	switch {
	case len(all) == 0 && l.closed && t.from != "":
		return "phantom-transfer"
	case len(all) == 0:
		return ""
	case !slices.ContainsFunc(all, func(o *claim.Op) bool { return !o.Failed() }):
		return "aborted-transfer"
	case readTransfer(all[0].Invoke.Value) != t:
		return "altered-transfer"
	default:
		return ""
	}
}

// asks reports whether a status is that of a transfer.
func asks(s *claim.Op, transfer string) bool { return plainID(idOf(s.Invoke.Value)) == transfer }

func (l *chains) answer(s *claim.Op) string {
	if s.Invoke.F != "status" || !s.Happened() || l.lies(s.Invoke.Node) {
		return ""
	}
	return s.Complete.Value.Text()
}

func refusal(s *claim.Op) bool {
	return s.Complete.Value.Text() == "expired" || s.Complete.Value.Text() == "rejected"
}

func (l *chains) vanished(s, t *claim.Op) bool {
	return !l.provisional && l.answer(s) == "confirmed" && l.answer(t) != "" && l.answer(t) != "confirmed" && s.Before(t) &&
		s.Invoke.Value.Equal(t.Invoke.Value) && (s.Invoke.Node == t.Invoke.Node || t.Invoke.Final) &&
		(l.answer(t) != "pending" || !l.waits(s, t))
}

// missing reports whether a view of the final phase lacks a transfer that had
// been said to be confirmed.
func (l *chains) missing(s *claim.Op, w *chainView) bool {
	if l.provisional || w == nil || !w.Invoke.Final || l.answer(s) != "confirmed" || !s.Before(w.Op) {
		return false
	}
	by, _ := l.places(w.tip, func(t chainTx) bool { return t.id == idOf(s.Invoke.Value) })
	return len(by) == 0 && !l.waits(s, w.Op)
}

func (l *chains) flipped(s, t *claim.Op) bool {
	return !l.provisional && l.answer(s) != "" && refusal(s) && l.answer(t) == "confirmed" && s.Before(t) && s.Invoke.Value.Equal(t.Invoke.Value)
}

// undead reports whether a view lists a transfer as expired, and has it in a block of
// its chain that d described.
func (l *chains) undead(v *chainView, d *claim.Op, item string) bool {
	if l.provisional || v == nil || v.accounts != nil {
		return false
	}
	for _, e := range v.Complete.Value.Get("expired").Elems() {
		by, _ := l.places(v.tip, func(t chainTx) bool { return t.id == idOf(e) && plainID(t.id) == item })
		if slices.Contains(by, d) {
			return true
		}
	}
	return false
}

// stalled reports whether nothing has become final for the node of two views from
// before the final phase to a time in it when something should have.
func (l *chains) stalled(v, w *chainView) bool {
	return !l.provisional && l.inclusion > 0 && !v.Invoke.Final && w.Invoke.Final && v.Invoke.Node == w.Invoke.Node &&
		v.final != nil && w.final != nil && w.final.height <= v.final.height && l.end+l.inclusion <= w.Invoke.Time
}

// early reports whether a view of the same node does not bear out a status before it.
func (l *chains) early(s *claim.Op, w *chainView) bool {
	if l.provisional || w == nil || w.final == nil || l.answer(s) == "" || !s.Before(w.Op) || s.Invoke.Node != w.Invoke.Node {
		return false
	}
	id := idOf(s.Invoke.Value)
	switch l.answer(s) {
	case "confirmed":
		for _, tip := range []*chainBlock{w.final, w.confirmed} {
			if by, _ := l.places(tip, func(t chainTx) bool { return t.id == id }); len(by) > 0 {
				return false
			}
		}
		return true
	case "expired":
		return slices.ContainsFunc(l.submitted[id], func(t *claim.Op) bool {
			if !l.accepted(t) {
				return false
			}
			until, limited := t.Complete.Value.Get("until").Int()
			return limited && w.final.height < until
		})
	default:
		return false
	}
}

// falsified reports whether a client found something wrong with an answer by itself.
func (l *chains) falsified(o *claim.Op, key string) bool {
	return o.Happened() && !l.lies(o.Invoke.Node) && slices.Contains([]string{"observe", "status", "balances"}, o.Invoke.F) &&
		!o.Complete.Value.Get(key).IsNil()
}

func (l *chains) observed(o *claim.Op) bool {
	return o.Invoke.F == "observe" && o.Happened() && !l.lies(o.Invoke.Node)
}

func (l *chains) inconsistent(o []*claim.Op, item string) bool {
	var texts [2][]history.Value
	for i := range texts {
		if !l.observed(o[i]) {
			return false
		}
		for _, b := range o[i].Complete.Value.Get("blocks").Elems() {
			if plainID(idOf(b.Get("id"))) == item {
				texts[i] = append(texts[i], b)
			}
		}
	}
	return slices.ContainsFunc(texts[0], func(a history.Value) bool {
		return slices.ContainsFunc(texts[1], func(b history.Value) bool { return a.Get("id").Equal(b.Get("id")) && !a.Equal(b) })
	})
}

func (l *chains) doubleSign(o []*claim.Op, item string) bool {
	for _, votes := range l.votes {
		if plainID(votes[0].validator) != item || l.lies(item) {
			continue
		}
		for _, a := range votes {
			if a.Op == o[0] && slices.ContainsFunc(votes, func(b chainVote) bool { return b.Op == o[1] && a.block != b.block }) {
				return true
			}
		}
	}
	return false
}
