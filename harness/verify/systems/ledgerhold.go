package systems

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// hold confirms that no rule is broken.
func (l *chains) hold() error {
	switch {
	case l.odd != nil:
		return l.odd
	case l.loose:
		return fmt.Errorf("there are observations of chains that were not described down to a genesis block")
	case len(l.seen)+len(l.statuses) == 0:
		return fmt.Errorf("the history shows nothing of a ledger")
	}
	for _, check := range []func() error{
		func() error { return l.stays(finalOf) }, func() error { return l.stays(confirmedOf) },
		l.goesOn, l.weigh, l.addUp, l.allThere, l.oneStory, l.borneOut, l.oneVote,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// stays confirms that all settled blocks are on one chain, and that no later
// chain lacks them: with no excuse, as goesOn says that no node stands still. As they are on one chain, it is the highest that counts.
func (l *chains) stays(settled func(*chainView) *chainBlock) error {
	if l.provisional {
		return nil
	}
	ended := slices.DeleteFunc(slices.Clone(l.seen), func(w *chainView) bool { return settled(w) == nil })
	byLevel := slices.SortedFunc(slices.Values(ended), func(a, b *chainView) int { return cmp.Compare(settled(a).level, settled(b).level) })
	for i := 1; i < len(byLevel); i++ {
		if a, b := byLevel[i-1], byLevel[i]; !settled(a).on(settled(b)) {
			return fmt.Errorf("what is settled at %d and at %d is on two chains", a.Inv, b.Inv)
		}
	}
	slices.SortFunc(ended, func(a, b *chainView) int { return cmp.Compare(a.Res, b.Res) })
	aged := slices.Clone(ended)
	top := make(map[string]*chainView) // by node; "all" and "aged" are no nodes
	raise := func(name string, w *chainView) {
		if top[name] == nil || settled(top[name]).level < settled(w).level {
			top[name] = w
		}
	}
	for _, w := range l.seen {
		for ; len(ended) > 0 && ended[0].Before(w.Op); ended = ended[1:] {
			raise("node "+ended[0].Invoke.Node, ended[0])
			raise("all", ended[0])
		}
		for ; l.delta > 0 && len(aged) > len(ended) && aged[0].Complete.Time+l.delta < w.Invoke.Time; aged = aged[1:] {
			raise("aged", aged[0])
		}
		for _, name := range []string{"node " + w.Invoke.Node, "aged", "all"} {
			if v := top[name]; v != nil && l.binds(v, w) && !settled(v).on(w.tip) {
				return fmt.Errorf("what is settled at %d is not on the chain of %d", v.Inv, w.Inv)
			}
		}
	}
	return nil
}

// goesOn confirms that something has become final after the load.
func (l *chains) goesOn() error {
	if len(l.still) > 0 {
		return fmt.Errorf("nothing has become final from %d to %d", l.still[0][0].Inv, l.still[0][1].Inv)
	}
	return nil
}

// stand finds the views by which nothing has become final after the load: for each node,
// it is its highest final block before the final phase that counts.
func (l *chains) stand() {
	top := make(map[string]*chainView)
	for _, w := range l.seen {
		if old := top[w.Invoke.Node]; !w.Invoke.Final && w.final != nil && (old == nil || old.final.height < w.final.height) {
			top[w.Invoke.Node] = w
		}
	}
	for _, w := range l.seen {
		if v := top[w.Invoke.Node]; w.Invoke.Final && v != nil && l.stalled(v, w) {
			l.still = append(l.still, [2]*chainView{v, w})
		}
	}
}

// weigh confirms that no node went over to a chain with less work of its own accord.
func (l *chains) weigh() error {
	had := make(map[string][]*chainView)
	most := make(map[string]int64)
	ended := slices.SortedFunc(slices.Values(l.seen), func(a, b *chainView) int { return cmp.Compare(a.Res, b.Res) })
	for _, w := range l.seen {
		for ; len(ended) > 0 && ended[0].Before(w.Op); ended = ended[1:] {
			if v := ended[0]; v.weighs() {
				had[v.Invoke.Node] = append(had[v.Invoke.Node], v)
				most[v.Invoke.Node] = max(most[v.Invoke.Node], v.tip.total)
			}
		}
		if !w.weighs() || w.tip.total >= most[w.Invoke.Node] {
			continue
		}
		for _, v := range had[w.Invoke.Node] {
			if lighter(v, w) {
				return fmt.Errorf("the chain at %d has less work than that at %d", w.Inv, v.Inv)
			}
		}
	}
	return nil
}

// addUp replays all chains that honest nodes had, block by block.
func (l *chains) addUp() error {
	reads := make(map[*chainBlock][]*chainView)
	for _, w := range l.seen {
		if w.accounts != nil {
			reads[w.tip] = append(reads[w.tip], w)
		}
	}
	balances, ids, nonces := map[string]int64{}, map[string]int{}, map[string]int{}
	count := func(b *chainBlock, n int) error {
		for _, t := range b.txs {
			ids[t.id] += n
			if t.nonce != "" {
				nonces[t.nonce] += n
			}
			if ids[t.id] > 1 || nonces[t.nonce] > 1 {
				return fmt.Errorf("transfer %s in block %s is the second of its kind", plainID(t.id), plainID(b.id))
			}
			if b.adopted != nil && l.strange(t) != "" {
				return fmt.Errorf("transfer %s in block %s: %s", plainID(t.id), plainID(b.id), l.strange(t))
			}
		}
		return nil
	}
	return l.walk(func(b *chainBlock) error {
		if b.adopted == nil {
			return nil
		}
		if l.misplaced(b) || b.parent != "" && b.minted() > l.reward+b.fees() {
			return fmt.Errorf("block %s has a wrong height or makes too much money", plainID(b.id))
		}
		b.pay(balances, 1)
		for _, t := range b.txs {
			if t.from != "" && balances[t.from] < 0 {
				return fmt.Errorf("block %s leaves account %s below zero", plainID(b.id), plainID(t.from))
			}
		}
		for _, w := range reads[b] {
			if err := sameBalances(w, balances); err != nil {
				return err
			}
		}
		return count(b, 1)
	}, func(b *chainBlock) {
		if b.adopted != nil {
			b.pay(balances, -1)
			_ = count(b, -1)
		}
	})
}

func sameBalances(w *chainView, want map[string]int64) error {
	if totalMoney(w.accounts) != totalMoney(want) {
		return fmt.Errorf("the balances at %d do not add up", w.Inv)
	}
	for a, n := range want {
		if w.accounts[a] != n {
			return fmt.Errorf("the balance of %s at %d is wrong", plainID(a), w.Inv)
		}
	}
	return nil
}

// allThere confirms that the chains of the final phase have what was accepted.
func (l *chains) allThere() error {
	if err := l.stillThere(); err != nil {
		return err
	}
	in := make(map[string][]*chainBlock)
	for _, id := range l.ids {
		for _, t := range l.blocks[id].txs {
			in[t.id] = append(in[t.id], l.blocks[id])
		}
	}
	final := slices.DeleteFunc(slices.Clone(l.seen), func(w *chainView) bool { return !w.Invoke.Final })
	least, most := make([]int, len(final)), make([]int, len(final)) // entries of the tips from here on
	for i := len(final) - 1; i >= 0; i-- {
		least[i], most[i] = final[i].tip.enter, final[i].tip.enter
		if i+1 < len(final) {
			least[i], most[i] = min(least[i], least[i+1]), max(most[i], most[i+1])
		}
	}
	dead := l.dead()
	for id, all := range l.submitted {
		for _, t := range all {
			if !l.accepted(t) || dead[id] {
				continue
			}
			from, _ := slices.BinarySearchFunc(final, t.Res, func(w *chainView, res int) int { return cmp.Compare(w.Inv, res) })
			if from == len(final) || slices.ContainsFunc(in[id], func(b *chainBlock) bool { return b.enter <= least[from] && most[from] < b.leave }) {
				continue
			}
			for _, w := range final[from:] {
				if l.due(t, w) && !slices.ContainsFunc(in[id], func(b *chainBlock) bool { return b.on(w.tip) }) {
					return fmt.Errorf("transfer %s is not on the chain of %d", plainID(id), w.Inv)
				}
			}
		}
	}
	return nil
}

// stillThere confirms that the chains of the final phase have what was said to be
// confirmed, and no chain what the same view lists as expired.
func (l *chains) stillThere() error {
	if l.provisional {
		return nil
	}
	for _, w := range l.seen {
		gone := w.Complete.Value.Get("expired").Elems()
		if !w.Invoke.Final && len(gone) == 0 {
			continue
		}
		has := make(map[string]bool)
		for _, b := range l.chain(w.tip) {
			for _, t := range b.txs {
				has[t.id] = true
			}
		}
		for _, id := range gone {
			if w.accounts == nil && has[idOf(id)] {
				return fmt.Errorf("the chain at %d has what is said there to be expired", w.Inv)
			}
		}
		for _, s := range l.statuses {
			if w.Invoke.Final && l.answer(s) == "confirmed" && s.Before(w.Op) && !has[idOf(s.Invoke.Value)] {
				return fmt.Errorf("the chain at %d lacks what was confirmed at %d", w.Inv, s.Inv)
			}
		}
	}
	return nil
}

// dead returns the transfers that were said never to be on the chain.
func (l *chains) dead() map[string]bool {
	all := maps.Clone(l.gone)
	for _, s := range l.statuses {
		if refusal(s) {
			all[idOf(s.Invoke.Value)] = true
		}
	}
	return all
}

// oneStory confirms that no status takes back an earlier one: the first answer
// of each kind is the one that binds most.
func (l *chains) oneStory() error {
	first := make(map[string]*claim.Op)
	note := func(key string, s *claim.Op) {
		if first[key] == nil || s.Res < first[key].Res {
			first[key] = s
		}
	}
	keys := func(s *claim.Op) [3]string {
		id := idOf(s.Invoke.Value)
		return [3]string{"dead " + id, "all " + id, fmt.Sprintf("%q %s", s.Invoke.Node, id)}
	}
	for _, s := range l.statuses {
		k := keys(s)
		switch {
		case refusal(s):
			note(k[0], s)
		case l.answer(s) == "confirmed":
			note(k[1], s)
			note(k[2], s)
		}
	}
	for _, t := range l.statuses {
		if l.provisional {
			return nil
		}
		for _, key := range keys(t) {
			if s := first[key]; s != nil && (l.vanished(s, t) || l.flipped(s, t)) {
				return fmt.Errorf("the status of %s at %d takes back that at %d", idOf(t.Invoke.Value), t.Inv, s.Inv)
			}
		}
	}
	return nil
}

// borneOut confirms that no client found anything wrong by itself, and that the next
// view of a node that names a final block bears out each status. What is final does not
// get less, so that those after it need not be looked at.
func (l *chains) borneOut() error {
	next := make(map[string][]*chainView)
	for _, w := range l.seen {
		if l.falsified(w.Op, "false") || l.falsified(w.Op, "unproven") {
			return fmt.Errorf("the client at %d was shown what is false", w.Inv)
		}
		if w.final != nil {
			next[w.Invoke.Node] = append(next[w.Invoke.Node], w)
		}
	}
	for _, s := range l.statuses {
		views := next[s.Invoke.Node]
		i, _ := slices.BinarySearchFunc(views, s.Res, func(w *chainView, res int) int { return cmp.Compare(w.Inv, res) })
		if i < len(views) && l.early(s, views[i]) {
			return fmt.Errorf("the view at %d does not bear out the status at %d", views[i].Inv, s.Inv)
		}
	}
	return nil
}

func (l *chains) oneVote() error {
	for _, votes := range l.votes {
		for _, v := range votes {
			if v.block != votes[0].block && !l.lies(plainID(v.validator)) {
				return fmt.Errorf("%s voted twice in one step", plainID(v.validator))
			}
		}
	}
	return nil
}
