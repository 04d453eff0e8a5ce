package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// ledger confirms that a history of a ledger keeps or breaks the rules of
// chains: what is final or deep enough stays, nothing is spent twice, the money
// adds up, and what was accepted is there. The parameters are depth, delta,
// inclusion, reward, closed and byzantine (names with commas between). Evidence
// is needed for invalid only; see roles.go.
func ledger(c *claim) error {
	l := &chains{blocks: map[string]*chainBlock{}, views: map[*op]*chainView{}, submitted: map[string][]*op{}, votes: map[string][]chainVote{}}
	if err := l.promises(c.Parameters); err != nil {
		return err
	}
	for i := range c.ops {
		l.read(&c.ops[i])
	}
	l.number()
	return c.byRoles(l.rules(), l.hold)
}

// chains is a ledger as honest nodes showed it.
type chains struct {
	depth            int
	delta, inclusion int64
	reward           int64
	closed           bool
	liars            []string

	blocks    map[string]*chainBlock
	ids       []string // of blocks, in the order of their descriptions
	views     map[*op]*chainView
	seen      []*chainView     // in the order of invocation
	submitted map[string][]*op // by transfer
	statuses  []*op
	votes     map[string][]chainVote // by validator and step
	odd       error                  // two descriptions of one block
	loose     bool                   // there are observations of chains that were not all described
}

// chainBlock is a block; "" is nobody, or no block.
type chainBlock struct {
	id, parent   string
	text         history.Value
	by           *op // the first to describe it
	height       int64
	txs          []chainTx
	kids         []*chainBlock
	level        int // blocks below it
	enter, leave int // a walk of the tree was in it and what builds on it from enter to leave
	adopted      *chainView
}

type chainTx struct {
	id, from, to string
	amount, fee  int64
	nonce        string
}

// chainView is what an observation, or a read of balances, takes for the chain.
type chainView struct {
	*op
	tip, final, confirmed *chainBlock // final and confirmed may be nil
	accounts              map[string]int64
}

type chainVote struct {
	*op
	validator, block string
}

func (l *chains) promises(p map[string]string) error {
	var errs [5]error
	var delta, inclusion time.Duration
	l.depth, errs[0] = strconv.Atoi(p["depth"])
	delta, errs[1] = time.ParseDuration(p["delta"])
	inclusion, errs[2] = time.ParseDuration(p["inclusion"])
	l.reward, errs[3] = strconv.ParseInt(p["reward"], 10, 64)
	l.closed, errs[4] = strconv.ParseBool(p["closed"])
	l.delta, l.inclusion = delta.Nanoseconds(), inclusion.Nanoseconds()
	l.liars = strings.Split(p["byzantine"], ",")
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("a parameter of the ledger is wrong: %w", err)
		}
	}
	return nil
}

func (l *chains) lies(name string) bool { return name != "" && slices.Contains(l.liars, name) }

// idOf returns a text that two names share only if they are the same, and "" if
// there is no name.
func idOf(v history.Value) string {
	switch v.Kind() {
	case history.Absent, history.KindNil:
		return ""
	case history.KindString:
		return "text " + v.Text()
	case history.KindKeyword:
		return "keyword " + v.Text()
	default:
		return "value " + v.String()
	}
}

// plainID is a name as evidence writes it.
func plainID(id string) string {
	_, text, _ := strings.Cut(id, " ")
	return text
}

func (l *chains) read(o *op) {
	if o.Invoke.F == "transfer" {
		id := idOf(o.Invoke.Value.Get("id"))
		l.submitted[id] = append(l.submitted[id], o)
	}
	if !o.happened() || l.lies(o.Invoke.Node) {
		return
	}
	v := o.Complete.Value
	switch o.Invoke.F {
	case "status":
		l.statuses = append(l.statuses, o)
	case "observe", "balances":
		w := &chainView{op: o}
		l.views[o] = w
		l.seen = append(l.seen, w)
		if o.Invoke.F == "observe" {
			l.observe(o)
		} else {
			w.accounts = map[string]int64{}
			for pairs := v.Get("accounts").Elems(); len(pairs) > 1; pairs = pairs[2:] {
				w.accounts[idOf(pairs[0])], _ = pairs[1].Int()
			}
		}
	}
}

func (l *chains) observe(o *op) {
	for _, b := range o.Complete.Value.Get("blocks").Elems() {
		l.describe(o, b)
	}
	for _, e := range o.Complete.Value.Get("votes").Elems() {
		step := idOf(history.List(e.Get("validator"), e.Get("height"), e.Get("round"), e.Get("step")))
		l.votes[step] = append(l.votes[step], chainVote{o, idOf(e.Get("validator")), idOf(e.Get("block"))})
	}
}

func (l *chains) describe(o *op, v history.Value) {
	b := &chainBlock{id: idOf(v.Get("id")), parent: idOf(v.Get("parent")), text: v, by: o}
	b.height, _ = v.Get("height").Int()
	for _, t := range v.Get("txs").Elems() {
		b.txs = append(b.txs, readTransfer(t))
	}
	if old := l.blocks[b.id]; old == nil {
		l.blocks[b.id] = b
		l.ids = append(l.ids, b.id)
	} else if !old.text.Equal(v) {
		l.odd = fmt.Errorf("block %s is described in two ways, at %d and at %d", plainID(b.id), old.by.inv, o.inv)
	}
}

func readTransfer(v history.Value) chainTx {
	t := chainTx{id: idOf(v.Get("id")), from: idOf(v.Get("from")), to: idOf(v.Get("to"))}
	t.amount, _ = v.Get("amount").Int()
	t.fee, _ = v.Get("fee").Int()
	if n, ok := v.Get("nonce").Int(); ok && t.from != "" {
		t.nonce = fmt.Sprint(n, " ", t.from)
	}
	return t
}

// number walks over the tree of blocks, and finds out for each view what is
// final and confirmed by it, and for each block the first view that has it. It
// leaves out the views of chains that were not described down to a genesis block.
func (l *chains) number() {
	at := make(map[string][]*chainView)
	for _, w := range l.seen {
		v := w.Complete.Value
		w.tip, w.final = l.blocks[idOf(v.Get("tip"))], l.blocks[idOf(v.Get("finalized"))]
		if w.tip != nil {
			at[w.tip.id] = append(at[w.tip.id], w)
		}
	}
	for _, id := range l.ids {
		if p := l.blocks[l.blocks[id].parent]; p != nil {
			p.kids = append(p.kids, l.blocks[id])
		}
	}
	clock := 0
	var path []*chainBlock
	_ = l.walk(func(b *chainBlock) error {
		b.level, b.enter = len(path), clock
		path, clock = append(path, b), clock+1
		for _, w := range at[b.id] {
			if l.depth > 0 && l.depth <= len(path) {
				w.confirmed = path[len(path)-l.depth]
			}
		}
		return nil
	}, func(b *chainBlock) { b.leave, path = clock, path[:len(path)-1] })
	l.seen = slices.DeleteFunc(l.seen, func(w *chainView) bool {
		gone := !w.tip.rooted() || !w.Complete.Value.Get("finalized").IsNil() && !w.final.rooted()
		l.loose = l.loose || gone && w.accounts == nil
		if gone {
			delete(l.views, w.op)
		}
		return gone
	})
	for _, w := range l.seen {
		for b := w.tip; b != nil && b.adopted == nil; b = l.blocks[b.parent] {
			b.adopted = w
		}
	}
}

// rooted reports whether the walk came to a block.
func (b *chainBlock) rooted() bool { return b != nil && b.leave > 0 }

// walk goes over the tree depth first, into each block and out of it.
func (l *chains) walk(in func(*chainBlock) error, out func(*chainBlock)) error {
	type step struct {
		b    *chainBlock
		done bool
	}
	var todo []step
	for _, id := range l.ids {
		if l.blocks[id].parent == "" {
			todo = append(todo, step{l.blocks[id], false})
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s.done {
			out(s.b)
			continue
		}
		if err := in(s.b); err != nil {
			return err
		}
		todo = append(todo, step{s.b, true})
		for _, k := range s.b.kids {
			todo = append(todo, step{k, false})
		}
	}
	return nil
}

// on reports whether tip is b or builds on it.
func (b *chainBlock) on(tip *chainBlock) bool { return b.enter <= tip.enter && tip.enter < b.leave }

func finalOf(w *chainView) *chainBlock     { return w.final }
func confirmedOf(w *chainView) *chainBlock { return w.confirmed }

// rules are those of single cores. Roles: v is a view; d an observation that was
// the first to describe a block that matters, which is on the chain of v; t a
// submission; s a status.
func (l *chains) rules() map[string]roleRule {
	view := func(o *op) *chainView { return l.views[o] }
	fork := func(settled func(*chainView) *chainBlock) roleRule { // v, v
		return roleRule{2, func(o []*op, _ string) bool {
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && conflict(settled(v), settled(w))
		}}
	}
	reversal := func(settled func(*chainView) *chainBlock) roleRule { // v, v
		return roleRule{2, func(o []*op, _ string) bool {
			v, w := view(o[0]), view(o[1])
			return v != nil && w != nil && settled(v) != nil && l.binds(v, w) && !settled(v).on(w.tip)
		}}
	}
	return map[string]roleRule{
		"finality-fork": fork(finalOf), "confirmed-fork": fork(confirmedOf),
		"finality-reversal": reversal(finalOf), "deep-reorg": reversal(confirmedOf),
		"double-spend":       {3, l.doubleSpend},                                                                           // v, d, d; item: the second transfer
		"duplicate-transfer": {3, l.duplicate},                                                                             // v, d, d; item: the transfer
		"negative-balance":   {2, func(o []*op, item string) bool { return l.brokenBlock(o, item, "negative-balance") }},   // v, d; item: the block
		"inflation":          {2, func(o []*op, item string) bool { return l.brokenBlock(o, item, "inflation") }},          // v, d; item: the block
		"invalid-block":      {2, func(o []*op, item string) bool { return l.brokenBlock(o, item, "invalid-block") }},      // v, d; item: the block
		"conservation":       {1, func(o []*op, _ string) bool { return view(o[0]) != nil && l.sumOff(view(o[0])) }},       // v
		"wrong-balance":      {1, func(o []*op, item string) bool { return view(o[0]) != nil && l.off(view(o[0]), item) }}, // v; item: the account
		"lost-transfer":      {2, l.lost},                                                                                  // t, v; item: the transfer
		"aborted-transfer":   {3, l.unlike("aborted-transfer")},                                                            // v, d, t; item: the transfer
		"altered-transfer":   {3, l.unlike("altered-transfer")},                                                            // v, d, t; item: the transfer
		"phantom-transfer":   {2, l.unlike("phantom-transfer")},                                                            // v, d; item: the transfer
		"vanished-transfer":  {2, func(o []*op, item string) bool { return l.vanished(o[0], o[1]) && asks(o[0], item) }},   // s, s
		"status-flip":        {2, func(o []*op, item string) bool { return l.flipped(o[0], o[1]) && asks(o[0], item) }},    // s, s
		"inconsistent-block": {2, l.inconsistent},                                                                          // two observations; item: the block
		"double-sign":        {2, l.doubleSign},                                                                            // two observations; item: the validator
	}
}

func conflict(a, b *chainBlock) bool { return a != nil && b != nil && !a.on(b) && !b.on(a) }

// binds reports whether what was settled for v has to be on the chain of w.
func (l *chains) binds(v, w *chainView) bool {
	late := l.delta > 0 && v.Complete.Time+l.delta < w.Invoke.Time
	return v.before(w.op) && (v.Invoke.Node == w.Invoke.Node || w.Invoke.Final || late)
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
func (l *chains) places(tip *chainBlock, holds func(chainTx) bool) (list []*op, txs []chainTx) {
	for _, b := range l.chain(tip) {
		for _, t := range b.txs {
			if holds(t) {
				list, txs = append(list, b.by), append(txs, t)
			}
		}
	}
	return list, txs
}

func (l *chains) duplicate(o []*op, item string) bool {
	v := l.views[o[0]]
	if v == nil {
		return false
	}
	by, _ := l.places(v.tip, func(t chainTx) bool { return plainID(t.id) == item })
	return len(by) > 1 && slices.Contains(by, o[1]) && slices.Contains(by, o[2])
}

func (l *chains) doubleSpend(o []*op, item string) bool {
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
func (l *chains) brokenBlock(o []*op, item, rule string) bool {
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
func (l *chains) accepted(t *op) bool {
	return t.Invoke.F == "transfer" && t.happened() && !l.lies(t.Invoke.Node)
}

// due reports whether view v has to show a transfer that was accepted.
func (l *chains) due(t *op, v *chainView) bool {
	return v.Invoke.Final && t.before(v.op) && t.Complete.Time+l.inclusion <= v.Invoke.Time
}

func (l *chains) expired(id string) bool {
	return slices.ContainsFunc(l.statuses, func(s *op) bool { return idOf(s.Invoke.Value) == id && refusal(s) })
}

func (l *chains) lost(o []*op, item string) bool {
	v, id := l.views[o[1]], idOf(o[0].Invoke.Value.Get("id"))
	if v == nil || plainID(id) != item || !l.accepted(o[0]) || !l.due(o[0], v) || l.expired(id) {
		return false
	}
	by, _ := l.places(v.tip, func(t chainTx) bool { return t.id == id })
	return len(by) == 0
}

// unlike returns whether a transfer on a chain is not as it was submitted.
func (l *chains) unlike(rule string) func(o []*op, item string) bool {
	return func(o []*op, item string) bool {
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
	case !slices.ContainsFunc(all, func(o *op) bool { return !o.failed() }):
		return "aborted-transfer"
	case readTransfer(all[0].Invoke.Value) != t:
		return "altered-transfer"
	default:
		return ""
	}
}

// asks reports whether a status is that of a transfer.
func asks(s *op, transfer string) bool { return plainID(idOf(s.Invoke.Value)) == transfer }

func (l *chains) answer(s *op) string {
	if s.Invoke.F != "status" || !s.happened() || l.lies(s.Invoke.Node) {
		return ""
	}
	return s.Complete.Value.Text()
}

func refusal(s *op) bool {
	return s.Complete.Value.Text() == "expired" || s.Complete.Value.Text() == "rejected"
}

func (l *chains) vanished(s, t *op) bool {
	return l.answer(s) == "confirmed" && l.answer(t) != "" && l.answer(t) != "confirmed" && s.before(t) &&
		s.Invoke.Value.Equal(t.Invoke.Value) && (s.Invoke.Node == t.Invoke.Node || t.Invoke.Final)
}

func (l *chains) flipped(s, t *op) bool {
	return l.answer(s) != "" && refusal(s) && l.answer(t) == "confirmed" && s.before(t) && s.Invoke.Value.Equal(t.Invoke.Value)
}

func (l *chains) observed(o *op) bool {
	return o.Invoke.F == "observe" && o.happened() && !l.lies(o.Invoke.Node)
}

func (l *chains) inconsistent(o []*op, item string) bool {
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

func (l *chains) doubleSign(o []*op, item string) bool {
	for _, votes := range l.votes {
		if plainID(votes[0].validator) != item || l.lies(item) {
			continue
		}
		for _, a := range votes {
			if a.op == o[0] && slices.ContainsFunc(votes, func(b chainVote) bool { return b.op == o[1] && a.block != b.block }) {
				return true
			}
		}
	}
	return false
}

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
		l.addUp, l.allThere, l.oneStory, l.oneVote,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// stays confirms that all settled blocks are on one chain, and that no later
// chain lacks them. As they are on one chain, it is the highest that counts.
func (l *chains) stays(settled func(*chainView) *chainBlock) error {
	ended := slices.DeleteFunc(slices.Clone(l.seen), func(w *chainView) bool { return settled(w) == nil })
	byLevel := slices.SortedFunc(slices.Values(ended), func(a, b *chainView) int { return cmp.Compare(settled(a).level, settled(b).level) })
	for i := 1; i < len(byLevel); i++ {
		if a, b := byLevel[i-1], byLevel[i]; !settled(a).on(settled(b)) {
			return fmt.Errorf("what is settled at %d and at %d is on two chains", a.inv, b.inv)
		}
	}
	slices.SortFunc(ended, func(a, b *chainView) int { return cmp.Compare(a.res, b.res) })
	aged := slices.Clone(ended)
	top := make(map[string]*chainView) // by node; "all" and "aged" are no nodes
	raise := func(name string, w *chainView) {
		if top[name] == nil || settled(top[name]).level < settled(w).level {
			top[name] = w
		}
	}
	for _, w := range l.seen {
		for ; len(ended) > 0 && ended[0].before(w.op); ended = ended[1:] {
			raise("node "+ended[0].Invoke.Node, ended[0])
			raise("all", ended[0])
		}
		for ; l.delta > 0 && len(aged) > len(ended) && aged[0].Complete.Time+l.delta < w.Invoke.Time; aged = aged[1:] {
			raise("aged", aged[0])
		}
		for _, name := range []string{"node " + w.Invoke.Node, "aged", "all"} {
			if v := top[name]; v != nil && l.binds(v, w) && !settled(v).on(w.tip) {
				return fmt.Errorf("what is settled at %d is not on the chain of %d", v.inv, w.inv)
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
		return fmt.Errorf("the balances at %d do not add up", w.inv)
	}
	for a, n := range want {
		if w.accounts[a] != n {
			return fmt.Errorf("the balance of %s at %d is wrong", plainID(a), w.inv)
		}
	}
	return nil
}

// allThere confirms that the chains of the final phase have what was accepted.
func (l *chains) allThere() error {
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
			from, _ := slices.BinarySearchFunc(final, t.res, func(w *chainView, res int) int { return cmp.Compare(w.inv, res) })
			if from == len(final) || slices.ContainsFunc(in[id], func(b *chainBlock) bool { return b.enter <= least[from] && most[from] < b.leave }) {
				continue
			}
			for _, w := range final[from:] {
				if l.due(t, w) && !slices.ContainsFunc(in[id], func(b *chainBlock) bool { return b.on(w.tip) }) {
					return fmt.Errorf("transfer %s is not on the chain of %d", plainID(id), w.inv)
				}
			}
		}
	}
	return nil
}

// dead returns the transfers that were said never to be on the chain.
func (l *chains) dead() map[string]bool {
	all := make(map[string]bool)
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
	first := make(map[string]*op)
	note := func(key string, s *op) {
		if first[key] == nil || s.res < first[key].res {
			first[key] = s
		}
	}
	keys := func(s *op) [3]string {
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
		for _, key := range keys(t) {
			if s := first[key]; s != nil && (l.vanished(s, t) || l.flipped(s, t)) {
				return fmt.Errorf("the status of %s at %d takes back that at %d", idOf(t.Invoke.Value), t.inv, s.inv)
			}
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
