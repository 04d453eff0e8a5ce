package ledger

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// naive decides rule by rule as the definitions say, over all pairs of calls and
// all chains written out. It returns the rules that are broken.
type naive struct {
	opts   Options
	calls  []history.Call // ok ones of honest nodes
	all    []history.Call
	blocks map[string]history.Value
	gone   []history.Value // transfers that observations list as expired
	broken map[string]bool
}

func byDefinition(h *history.History, opts Options) map[string]bool {
	n := readNaively(h, opts)
	for _, c := range n.calls {
		switch c.Invoke.F {
		case "observe", "balances":
			n.alone(c)
			n.money(c)
			n.known(c)
			n.dead(c)
		case "status":
			n.early(c)
		}
		for _, d := range n.calls {
			n.pair(c, d)
		}
	}
	n.lost()
	return n.broken
}

// readNaively takes in the calls, and what each of them breaks by itself.
func readNaively(h *history.History, opts Options) *naive {
	n := &naive{opts: opts, blocks: map[string]history.Value{}, broken: map[string]bool{}}
	n.all, _ = h.Calls()
	for _, c := range n.all {
		if c.Type() != history.OK || slices.Contains(opts.Byzantine, c.Invoke.Node) {
			continue
		}
		n.calls = append(n.calls, c)
		for key, rule := range map[string]string{"false": FalseProof, "unproven": FalseFinality} {
			if isView(c) && !c.Complete.Value.Get(key).IsNil() {
				n.broken[rule] = true
			}
		}
		if c.Invoke.F != "observe" {
			continue
		}
		n.gone = append(n.gone, c.Complete.Value.Get("expired").Elems()...)
		for _, b := range c.Complete.Value.Get("blocks").Elems() {
			id := b.Get("id").Text()
			if old, ok := n.blocks[id]; ok && !old.Equal(b) {
				n.broken[InconsistentBlock] = true
			} else if !ok {
				n.blocks[id] = b
			}
		}
	}
	for _, c := range n.calls {
		for _, d := range n.calls {
			n.votes(c, d)
		}
	}
	n.calls = slices.DeleteFunc(n.calls, func(c history.Call) bool {
		return isView(c) && (!n.rooted(tipOf(c)) || !n.rooted(c.Complete.Value.Get("finalized").Text()))
	})
	return n
}

// chain returns the blocks up to tip, genesis first.
func (n *naive) chain(tip string) []string {
	if tip == "" {
		return nil
	}
	return append(n.chain(n.blocks[tip].Get("parent").Text()), tip)
}

// rooted reports whether all blocks of a chain were described.
func (n *naive) rooted(tip string) bool {
	for tip != "" {
		b, ok := n.blocks[tip]
		if !ok {
			return false
		}
		tip = b.Get("parent").Text()
	}
	return true
}

func (n *naive) on(b, tip string) bool { return slices.Contains(n.chain(tip), b) }

func tipOf(c history.Call) string { return c.Complete.Value.Get("tip").Text() }

// settled returns what is final and what is confirmed by an observation.
func (n *naive) settled(c history.Call) [2]string {
	var s [2]string
	s[0] = c.Complete.Value.Get("finalized").Text()
	if chain := n.chain(tipOf(c)); n.opts.Depth > 0 && len(chain) >= n.opts.Depth {
		s[1] = chain[len(chain)-n.opts.Depth]
	}
	return s
}

func isView(c history.Call) bool { return c.Invoke.F == "observe" || c.Invoke.F == "balances" }

func before(c, d history.Call) bool { return c.Complete.Index < d.Invoke.Index }

func (n *naive) pair(c, d history.Call) {
	if isView(c) && isView(d) {
		late := n.opts.Delta > 0 && d.Invoke.Time-c.Complete.Time > n.opts.Delta.Nanoseconds()
		binds := before(c, d) && (c.Invoke.Node == d.Invoke.Node || d.Invoke.Final || late)
		for i, a := range n.settled(c) {
			b := n.settled(d)[i]
			if a != "" && b != "" && !n.on(a, b) && !n.on(b, a) {
				n.broken[[]string{FinalityFork, ConfirmedFork}[i]] = true
			}
			if a != "" && binds && !n.on(a, tipOf(d)) && (i == 1 || !n.behind(c, d)) {
				n.broken[[]string{FinalityReversal, DeepReorg}[i]] = true
			}
		}
	}
	if n.stalled(c, d) {
		n.broken[StalledFinality] = true
	}
	if c.Invoke.F == "observe" && d.Invoke.F == "observe" && c.Invoke.Node == d.Invoke.Node && before(c, d) {
		old, now, bound := n.weight(tipOf(c)), n.weight(tipOf(d)), d.Complete.Value.Get("bound").Text()
		if now > 0 && now < old && (bound == "" || n.rooted(bound) && n.on(bound, tipOf(c))) {
			n.broken[LighterChain] = true
		}
	}
	if c.Invoke.F == "status" && c.Complete.Value.Text() == "confirmed" && isView(d) && d.Invoke.Final && before(c, d) &&
		!n.includes(tipOf(d), c.Invoke.Value) && !n.waits(c, d) {
		n.broken[VanishedTransfer] = true
	}
	if c.Invoke.F == "status" && d.Invoke.F == "status" && c.Invoke.Value.Equal(d.Invoke.Value) && before(c, d) {
		first, second := c.Complete.Value.Text(), d.Complete.Value.Text()
		if first == "confirmed" && second != "confirmed" && (c.Invoke.Node == d.Invoke.Node || d.Invoke.Final) &&
			(second != "pending" || !n.waits(c, d)) {
			n.broken[VanishedTransfer] = true
		}
		if (first == "expired" || first == "rejected") && second == "confirmed" {
			n.broken[StatusFlip] = true
		}
	}
}

// stalled reports whether nothing has become final from c to d, although there was time.
func (n *naive) stalled(c, d history.Call) bool {
	if c.Invoke.F != "observe" || d.Invoke.F != "observe" || n.opts.Inclusion <= 0 || c.Invoke.Final || !d.Invoke.Final || c.Invoke.Node != d.Invoke.Node ||
		d.Invoke.Time < n.loaded()+n.opts.Inclusion.Nanoseconds() || n.settled(c)[0] == "" || n.settled(d)[0] == "" {
		return false
	}
	old, _ := n.blocks[n.settled(c)[0]].Get("height").Int()
	now, _ := n.blocks[n.settled(d)[0]].Get("height").Int()
	return now <= old
}

// still returns the final blocks by which the finality of a node stands still.
func (n *naive) still(node string) (list []string) {
	for _, c := range n.calls {
		for _, d := range n.calls {
			if d.Invoke.Node == node && n.stalled(c, d) {
				list = append(list, n.settled(d)[0])
			}
		}
	}
	return list
}

// behind reports whether the chain of d may lack what is final by c.
func (n *naive) behind(c, d history.Call) bool {
	finals := n.still(d.Invoke.Node)
	if !d.Invoke.Final || c.Invoke.Node == d.Invoke.Node || len(finals) == 0 {
		return false
	}
	if own := n.settled(d)[0]; own != "" {
		finals = append(finals, own)
	}
	top := n.settled(c)[0]
	return !slices.ContainsFunc(finals, func(b string) bool { return !n.on(b, top) || !n.on(b, tipOf(d)) })
}

// waits reports whether the node of d may lack the transfer that c says is confirmed.
func (n *naive) waits(c, d history.Call) bool {
	if !d.Invoke.Final || c.Invoke.Node == d.Invoke.Node || len(n.still(d.Invoke.Node)) == 0 {
		return false
	}
	somewhere := false
	for _, v := range n.calls {
		if !isView(v) {
			continue
		}
		if v.Invoke.Node == d.Invoke.Node && n.includes(n.settled(v)[0], c.Invoke.Value) {
			return false
		}
		somewhere = somewhere || v.Invoke.Final && n.includes(tipOf(v), c.Invoke.Value) &&
			!slices.ContainsFunc(n.still(d.Invoke.Node), func(b string) bool { return !n.on(b, tipOf(v)) })
	}
	return somewhere
}

// dead looks for transfers that an observation lists as expired, and has on its chain.
func (n *naive) dead(c history.Call) {
	if slices.ContainsFunc(c.Complete.Value.Get("expired").Elems(), func(id history.Value) bool { return n.includes(tipOf(c), id) }) {
		n.broken[StatusFlip] = true
	}
}

// loaded returns when the last look before the final phase was over.
func (n *naive) loaded() (end int64) {
	for _, c := range n.calls {
		if isView(c) && !c.Invoke.Final {
			end = max(end, c.Complete.Time)
		}
	}
	return end
}

// includes reports whether a chain has a transfer.
func (n *naive) includes(tip string, id history.Value) bool {
	return slices.ContainsFunc(n.chain(tip), func(b string) bool {
		return slices.ContainsFunc(n.blocks[b].Get("txs").Elems(), func(t history.Value) bool { return t.Get("id").Equal(id) })
	})
}

// weight is the work of a chain, 0 if that of a block is not known.
func (n *naive) weight(tip string) (sum int64) {
	for _, id := range n.chain(tip) {
		work, _ := n.blocks[id].Get("work").Int()
		if work == 0 {
			return 0
		}
		sum += work
	}
	return sum
}

func (n *naive) votes(c, d history.Call) {
	for _, v := range c.Complete.Value.Get("votes").Elems() {
		for _, w := range d.Complete.Value.Get("votes").Elems() {
			if v.Get("validator").Equal(w.Get("validator")) && !v.Get("block").Equal(w.Get("block")) && !slices.Contains(n.opts.Byzantine, v.Get("validator").Text()) {
				n.broken[DoubleSign] = true
			}
		}
	}
}

// alone judges the chain of one observation.
func (n *naive) alone(c history.Call) {
	var seen []history.Value
	for i, id := range n.chain(tipOf(c)) {
		b := n.blocks[id]
		height, _ := b.Get("height").Int()
		if i > 0 {
			if below, _ := n.blocks[b.Get("parent").Text()].Get("height").Int(); height != below+1 {
				n.broken[InvalidBlock] = true
			}
		}
		made, fees := int64(0), int64(0)
		for _, t := range b.Get("txs").Elems() {
			for _, u := range seen {
				same := t.Get("id").Equal(u.Get("id"))
				if same {
					n.broken[DuplicateTransfer] = true
				}
				if !same && !t.Get("nonce").IsNil() && !t.Get("from").IsNil() && t.Get("nonce").Equal(u.Get("nonce")) && t.Get("from").Equal(u.Get("from")) {
					n.broken[DoubleSpend] = true
				}
			}
			seen = append(seen, t)
			amount, _ := t.Get("amount").Int()
			fee, _ := t.Get("fee").Int()
			if t.Get("from").IsNil() {
				made += amount
			} else {
				fees += fee
			}
		}
		if i > 0 && made > n.opts.Reward+fees {
			n.broken[Inflation] = true
		}
	}
}

// money adds the accounts up.
func (n *naive) money(c history.Call) {
	has, supply := map[string]int64{}, int64(0)
	for _, id := range n.chain(tipOf(c)) {
		for _, t := range n.blocks[id].Get("txs").Elems() {
			amount, _ := t.Get("amount").Int()
			fee, _ := t.Get("fee").Int()
			if from := t.Get("from").Text(); from != "" {
				has[from] -= amount + fee
				supply -= fee
			} else {
				supply += amount
			}
			has[t.Get("to").Text()] += amount
		}
		for _, amount := range has {
			if amount < 0 {
				n.broken[NegativeBalance] = true
			}
		}
	}
	if c.Invoke.F != "balances" {
		return
	}
	sum := int64(0)
	for _, a := range []string{"a", "b", "m"} {
		got, _ := c.Complete.Value.Get("accounts").Get(a).Int()
		sum += got
		if got != has[a] {
			n.broken[WrongBalance] = true
		}
	}
	if sum != supply {
		n.broken[Conservation] = true
	}
}

// known compares the chain of an observation with what was submitted.
func (n *naive) known(c history.Call) {
	for _, id := range n.chain(tipOf(c)) {
		for _, t := range n.blocks[id].Get("txs").Elems() {
			submitted, refused := false, true
			for _, s := range n.all {
				if s.Invoke.F != "transfer" || !s.Invoke.Value.Get("id").Equal(t.Get("id")) {
					continue
				}
				submitted = true
				refused = refused && s.Type() == history.Fail
				for _, f := range []string{"from", "to", "amount", "nonce"} {
					if s.Type() != history.Fail && !s.Invoke.Value.Get(f).Equal(t.Get(f)) {
						n.broken[AlteredTransfer] = true
					}
				}
			}
			if submitted && refused {
				n.broken[AbortedTransfer] = true
			}
			if !submitted && n.opts.Closed && !t.Get("from").IsNil() {
				n.broken[PhantomTransfer] = true
			}
		}
	}
}

// early looks for the next observation through the node of a status.
func (n *naive) early(c history.Call) {
	var next *history.Call
	for i, d := range n.calls {
		if d.Invoke.F == "observe" && d.Invoke.Node == c.Invoke.Node && before(c, d) && n.settled(d)[0] != "" && (next == nil || d.Invoke.Index < next.Invoke.Index) {
			next = &n.calls[i]
		}
	}
	if next == nil {
		return
	}
	final, confirmed := n.settled(*next)[0], n.settled(*next)[1]
	switch c.Complete.Value.Text() {
	case "confirmed":
		if !n.includes(final, c.Invoke.Value) && !n.includes(confirmed, c.Invoke.Value) {
			n.broken[EarlyStatus] = true
		}
	case "expired":
		height, _ := n.blocks[final].Get("height").Int()
		for _, s := range n.calls {
			until, limited := s.Complete.Value.Get("until").Int()
			if s.Invoke.F == "transfer" && s.Invoke.Value.Get("id").Equal(c.Invoke.Value) && limited && height < until {
				n.broken[EarlyStatus] = true
			}
		}
	}
}

func (n *naive) lost() {
	for _, s := range n.calls {
		if s.Invoke.F != "transfer" || slices.ContainsFunc(n.gone, s.Invoke.Value.Get("id").Equal) || slices.ContainsFunc(n.calls, func(c history.Call) bool {
			says := c.Complete.Value.Text()
			return c.Invoke.F == "status" && c.Invoke.Value.Equal(s.Invoke.Value.Get("id")) && (says == "expired" || says == "rejected")
		}) {
			continue
		}
		for _, c := range n.calls {
			if until, limited := s.Complete.Value.Get("until").Int(); limited {
				height, _ := n.blocks[c.Complete.Value.Get("finalized").Text()].Get("height").Int()
				if c.Invoke.Node != s.Invoke.Node || c.Complete.Value.Get("finalized").IsNil() || height < until {
					continue
				}
			}
			if !isView(c) || !c.Invoke.Final || !before(s, c) || c.Invoke.Time < s.Complete.Time+n.opts.Inclusion.Nanoseconds() {
				continue
			}
			if !slices.ContainsFunc(n.chain(tipOf(c)), func(id string) bool {
				return slices.ContainsFunc(n.blocks[id].Get("txs").Elems(), func(t history.Value) bool { return t.Get("id").Equal(s.Invoke.Value.Get("id")) })
			}) {
				n.broken[LostTransfer] = true
			}
		}
	}
}
