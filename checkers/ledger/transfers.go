package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// submissions compares what clients submitted with what is on the chains.
func (l *ledger) submissions() error {
	for i := range l.blocks {
		b := &l.blocks[i]
		for _, t := range b.txs {
			s := l.submission(t.name)
			s.in = append(s.in, int32(i))
			if b.adopter != nil {
				l.included(s, t, int32(i))
			}
		}
	}
	final := l.finalViews()
	for name := range l.submitted {
		s := &l.submitted[name]
		if len(s.accepted) > 0 {
			l.report.Accepted++
		}
		if len(s.accepted) > 0 && slices.ContainsFunc(s.in, func(b int32) bool { return l.blocks[b].adopter != nil }) {
			l.report.Included++
		}
		if len(s.accepted) > 0 && !s.expired {
			l.lost(s, int32(name), final)
		}
	}
	return nil
}

// included takes in that a transfer is in an adopted block.
func (l *ledger) included(s *submission, t tx, id int32) {
	switch first := s.first.Invoke; {
	case first == nil && l.opts.Closed && t.from != none:
		l.strange(PhantomTransfer, t, id, "which nobody submitted")
	case first == nil:
	case !s.possible:
		l.strange(AbortedTransfer, t, id, fmt.Sprintf("but every submission of it was refused, as that of process %v at %s", first.Process, l.clock.At(first)))
	case s.content != t:
		l.strange(AlteredTransfer, t, id, fmt.Sprintf("as %s; process %v submitted it at %s as %s", l.content(t), first.Process, l.clock.At(first), l.content(s.content)))
	}
}

// strange notes that a transfer should not be in a block as it is.
func (l *ledger) strange(rule string, t tx, id int32, how string) {
	b := &l.blocks[id]
	ops := []int{b.adopter.Invoke.Index, b.by.Index}
	if first := l.submission(t.name).first.Invoke; first != nil {
		ops = append(ops, first.Index)
	}
	l.add(rules.Finding{Rule: rule, Ops: ops, Item: l.txName(t.name), Why: fmt.Sprintf(
		"%s; on its chain, block %s has transfer %s, %s", l.saw(b.adopter), l.blockName(id), l.txName(t.name), how)})
}

// content writes a transfer down: "5 from a to b, fee 1, nonce 3".
func (l *ledger) content(t tx) string {
	who := func(account int32) string {
		if account == none {
			return "nobody"
		}
		return l.accountName(account)
	}
	text := fmt.Sprintf("%d from %s to %s", t.amount, who(t.from), who(t.to))
	if t.fee != 0 {
		text += fmt.Sprintf(", fee %d", t.fee)
	}
	if t.numbered {
		text += fmt.Sprintf(", nonce %d", t.nonce)
	}
	return text
}

// finalView is an observation of the final phase, with the last block that it
// shares with all that came after it, or none, and the latest time until then.
type finalView struct {
	*view
	shared int32
	clock  int64
}

func (l *ledger) finalViews() []finalView {
	var final []finalView
	for i := range l.views {
		if v := &l.views[i]; v.Invoke.Final {
			final = append(final, finalView{v, v.tip, v.Invoke.Time})
		}
	}
	for i := 1; i < len(final); i++ {
		final[i].clock = max(final[i].clock, final[i-1].clock)
	}
	for i := len(final) - 2; i >= 0; i-- {
		if final[i+1].shared == none {
			final[i].shared = none
		} else {
			final[i].shared = l.meet(final[i].tip, final[i+1].shared)
		}
	}
	return final
}

// lost finds an observation of the final phase that lacks an accepted transfer.
// If a block of it is on what all chains share, there is none.
func (l *ledger) lost(s *submission, name int32, final []finalView) {
	ack := slices.MinFunc(s.accepted, func(a, b history.Call) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	due := ack.Complete.Time + l.opts.Inclusion.Nanoseconds()
	from, _ := slices.BinarySearchFunc(final, ack.Complete.Index, func(v finalView, index int) int { return cmp.Compare(v.Invoke.Index, index) })
	ripe, _ := slices.BinarySearchFunc(final, due, func(v finalView, t int64) int { return cmp.Compare(v.clock, t) })
	from = max(from, ripe)
	if from == len(final) || l.has(s.in, final[from].shared) {
		return
	}
	for _, v := range final[from:] {
		if v.Invoke.Time >= due && l.over(ack, v.view) && !l.has(s.in, v.tip) {
			l.add(rules.Finding{Rule: LostTransfer, Ops: []int{ack.Invoke.Index, v.Invoke.Index}, Item: l.txName(name), Why: fmt.Sprintf(
				"process %v submitted transfer %s at %s, accepted at %s; after all faults were over, %s, of height %d, and no block of its chain has it",
				ack.Invoke.Process, l.txName(name), l.clock.At(ack.Invoke), l.clock.At(ack.Complete), l.saw(v.view), l.blocks[v.tip].height)})
			return
		}
	}
}

// over reports whether the time of an accepted transfer is over by what its node
// says in v: if the node named a height until which the transfer is good, that is
// when it has a final block so high. Only then has it to be there or to be expired,
// however long that took.
func (l *ledger) over(ack history.Call, v *view) bool {
	until, limited := ack.Complete.Value.Get("until").Int()
	return !limited || v.Invoke.Node == ack.Invoke.Node && v.final != none && l.blocks[v.final].height >= until
}

// statuses judges what nodes said about transfers, one transfer after the other.
func (l *ledger) statuses() error {
	if l.opts.Provisional {
		return nil
	}
	of := make(map[int32][]status)
	var names []int32
	for _, s := range l.asked {
		if of[s.name] == nil {
			names = append(names, s.name)
		}
		of[s.name] = append(of[s.name], s)
	}
	for i := range l.views {
		l.undead(&l.views[i])
	}
	final, next := l.finalViews(), l.observations()
	for _, name := range names {
		l.answers(of[name], final)
		l.gone(of[name], final)
		for i := range of[name] {
			l.early(&of[name][i], next)
		}
	}
	return nil
}

// undead finds transfers that an observation lists as expired, and has on its chain.
func (l *ledger) undead(v *view) {
	for _, name := range v.expired {
		in := l.submission(name).in
		if i := slices.IndexFunc(in, func(b int32) bool { return l.on(b, v.tip) }); i >= 0 {
			l.add(rules.Finding{Rule: StatusFlip, Ops: []int{v.Invoke.Index, l.blocks[in[i]].by.Index}, Item: l.txName(name), Why: fmt.Sprintf(
				"%s, and was told that transfer %s is expired; on that chain, block %s has it", l.saw(v), l.txName(name), l.blockName(in[i]))})
		}
	}
}

// observations returns those that name a final block, by node.
func (l *ledger) observations() map[string][]*view {
	of := make(map[string][]*view)
	for i := range l.views {
		if v := &l.views[i]; v.final != none {
			of[v.Invoke.Node] = append(of[v.Invoke.Node], v)
		}
	}
	return of
}

// early sees whether the next observation through the same node bears out what it
// said: what is final does not get less.
func (l *ledger) early(s *status, of map[string][]*view) {
	next := of[s.Invoke.Node]
	i, _ := slices.BinarySearchFunc(next, s.Complete.Index, func(v *view, index int) int { return cmp.Compare(v.Invoke.Index, index) })
	if i == len(next) {
		return
	}
	v, about := next[i], l.submission(s.name)
	height := l.blocks[v.final].height
	until, limited := about.until()
	switch {
	case s.says == "confirmed" && !l.has(about.in, v.final) && !l.has(about.in, l.confirmed(v)):
	case s.says == "expired" && limited && height < until:
	default:
		return
	}
	first := fmt.Sprintf("process %v%s asked for transfer %s at %s and was told by %s that it is %s",
		s.Invoke.Process, through(s.Invoke), l.txName(s.name), l.clock.At(s.Invoke), l.clock.At(s.Complete), s.says)
	l.add(rules.Finding{Rule: EarlyStatus, Ops: []int{s.Invoke.Index, v.Invoke.Index}, Item: l.txName(s.name), Why: fmt.Sprintf(
		"%s; after that, %s, of height %d, with a final block of height %d", first, l.saw(v), l.blocks[v.tip].height, height),
		Edges: []checkers.Edge{{From: s.Invoke.Index, To: v.Invoke.Index, Kind: "rt", Why: first}}})
}

// until returns the lowest height until which those who accepted a transfer said that
// it is good, if any did.
func (s *submission) until() (height int64, limited bool) {
	for _, ack := range s.accepted {
		if h, ok := ack.Complete.Value.Get("until").Int(); ok && (!limited || h < height) {
			height, limited = h, true
		}
	}
	return height, limited
}

// gone finds an observation of the final phase that lacks a transfer which had
// been said to be confirmed. If its node waits for that transfer, what counts is
// what was said through that node.
func (l *ledger) gone(list []status, final []finalView) {
	list = slices.DeleteFunc(slices.Clone(list), func(s status) bool { return s.says != "confirmed" })
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b status) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	said := list[0]
	from, _ := slices.BinarySearchFunc(final, said.Complete.Index, func(v finalView, index int) int { return cmp.Compare(v.Invoke.Index, index) })
	in := l.submission(said.name).in
	if from == len(final) || l.has(in, final[from].shared) {
		return
	}
	for _, v := range final[from:] {
		if l.has(in, v.tip) {
			continue
		}
		if l.waits(v.Invoke.Node, said.name, final) {
			i := slices.IndexFunc(list, func(s status) bool { return s.Invoke.Node == v.Invoke.Node && s.Complete.Index < v.Invoke.Index })
			if i < 0 {
				continue
			}
			said = list[i]
		}
		first := fmt.Sprintf("process %v%s asked for transfer %s at %s and was told by %s that it is confirmed",
			said.Invoke.Process, through(said.Invoke), l.txName(said.name), l.clock.At(said.Invoke), l.clock.At(said.Complete))
		l.add(rules.Finding{Rule: VanishedTransfer, Ops: []int{said.Invoke.Index, v.Invoke.Index}, Item: l.txName(said.name), Why: fmt.Sprintf(
			"%s; after all faults were over, %s, of height %d, and no block of its chain has it", first, l.saw(v.view), l.blocks[v.tip].height),
			Edges: []checkers.Edge{{From: said.Invoke.Index, To: v.Invoke.Index, Kind: "rt", Why: first}}})
		return
	}
}

// waits reports whether a node may not know yet that a transfer is confirmed, as
// another one said: its finality stands still, no final block of it has the transfer,
// and some chain of the final phase does that builds on what it took for final since then.
func (l *ledger) waits(node string, name int32, final []finalView) bool {
	in := l.submission(name).in
	still := l.still[node]
	reachable := func(v finalView) bool {
		return l.has(in, v.tip) && !slices.ContainsFunc(still, func(w *view) bool { return !l.on(w.final, v.tip) })
	}
	return len(still) > 0 &&
		!slices.ContainsFunc(l.views, func(v view) bool { return v.Invoke.Node == node && l.has(in, v.final) }) &&
		slices.ContainsFunc(final, reachable)
}

// has reports whether one of some blocks is on the chain that ends in tip.
func (l *ledger) has(in []int32, tip int32) bool {
	return tip != none && slices.ContainsFunc(in, func(b int32) bool { return l.on(b, tip) })
}

// answers judges the answers about one transfer, which are in the order of their
// invocations.
func (l *ledger) answers(list []status, final []finalView) {
	ended := slices.Clone(list)
	slices.SortFunc(ended, func(a, b status) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	confirmed := make(map[string]*status) // by node
	var first, never *status
	for i := range list {
		s := &list[i]
		for ; len(ended) > 0 && ended[0].Complete.Index < s.Invoke.Index; ended = ended[1:] {
			switch e := &ended[0]; e.says {
			case "confirmed":
				first, confirmed[e.Invoke.Node] = e, e
			case "expired", "rejected":
				never = e
			}
		}
		before := confirmed[s.Invoke.Node]
		if s.Invoke.Final && (s.says != "pending" || !l.waits(s.Invoke.Node, s.name, final)) {
			before = first
		}
		switch {
		case s.says != "confirmed" && before != nil:
			l.contradict(VanishedTransfer, before, s)
		case s.says == "confirmed" && never != nil:
			l.contradict(StatusFlip, never, s)
		}
	}
}

func (l *ledger) contradict(rule string, a, b *status) {
	first := fmt.Sprintf("process %v%s asked for transfer %s at %s and was told by %s that it is %s",
		a.Invoke.Process, through(a.Invoke), l.txName(a.name), l.clock.At(a.Invoke), l.clock.At(a.Complete), a.says)
	l.add(rules.Finding{Rule: rule, Ops: []int{a.Invoke.Index, b.Invoke.Index}, Item: l.txName(a.name), Why: fmt.Sprintf(
		"%s; after that, process %v%s asked for it at %s and was told that it is %s", first, b.Invoke.Process, through(b.Invoke), l.clock.At(b.Invoke), b.says),
		Edges: []checkers.Edge{{From: a.Invoke.Index, To: b.Invoke.Index, Kind: "rt", Why: first}}})
}
