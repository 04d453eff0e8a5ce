package systems

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// ledger confirms that a history of a ledger keeps or breaks the rules of
// chains: what is final or deep enough stays, nothing is spent twice, the money
// adds up, and what was accepted is there. The parameters are depth, delta,
// inclusion, reward, closed, provisional (which may be left out) and byzantine
// (names with commas between). Evidence is needed for invalid only; see roles.go.
func ledger(c *claim.Claim) error {
	l := &chains{blocks: map[string]*chainBlock{}, gone: map[string]bool{}, views: map[*claim.Op]*chainView{}, submitted: map[string][]*claim.Op{}, votes: map[string][]chainVote{}}
	if err := l.promises(c.Parameters); err != nil {
		return err
	}
	for i := range c.Ops {
		l.read(&c.Ops[i])
	}
	l.number()
	return byRoles(c, l.rules(), l.hold)
}

// chains is a ledger as honest nodes showed it.
type chains struct {
	depth            int
	delta, inclusion int64
	reward           int64
	closed           bool
	provisional      bool
	liars            []string

	blocks    map[string]*chainBlock
	ids       []string // of blocks, in the order of their descriptions
	views     map[*claim.Op]*chainView
	seen      []*chainView           // in the order of invocation
	submitted map[string][]*claim.Op // by transfer
	statuses  []*claim.Op
	gone      map[string]bool        // transfers that an observation says expired
	votes     map[string][]chainVote // by validator and step
	odd       error                  // two descriptions of one block
	end       int64                  // when the last look before the final phase was over
	still     [][2]*chainView        // a view before the final phase, and one in it by which finality stands still since
	loose     bool                   // there are observations of chains that were not all described
}

// chainBlock is a block; "" is nobody, or no block.
type chainBlock struct {
	id, parent   string
	text         history.Value
	by           *claim.Op // the first to describe it
	height       int64
	work, total  int64 // of the block, and of its chain; 0 if it is not known
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
	*claim.Op
	tip, final, confirmed *chainBlock // final and confirmed may be nil
	accounts              map[string]int64
	bound                 *chainBlock // may be nil
	free                  bool        // no block is named that the node is bound to
}

type chainVote struct {
	*claim.Op
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
	l.provisional = p["provisional"] == "true"
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

func (l *chains) read(o *claim.Op) {
	if o.Invoke.F == "transfer" {
		id := idOf(o.Invoke.Value.Get("id"))
		l.submitted[id] = append(l.submitted[id], o)
	}
	if !o.Happened() || l.lies(o.Invoke.Node) {
		return
	}
	v := o.Complete.Value
	switch o.Invoke.F {
	case "status":
		l.statuses = append(l.statuses, o)
	case "observe", "balances":
		w := &chainView{Op: o}
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

func (l *chains) observe(o *claim.Op) {
	for _, b := range o.Complete.Value.Get("blocks").Elems() {
		l.describe(o, b)
	}
	for _, e := range o.Complete.Value.Get("expired").Elems() {
		l.gone[idOf(e)] = true
	}
	for _, e := range o.Complete.Value.Get("votes").Elems() {
		step := idOf(history.List(e.Get("validator"), e.Get("height"), e.Get("round"), e.Get("step")))
		l.votes[step] = append(l.votes[step], chainVote{o, idOf(e.Get("validator")), idOf(e.Get("block"))})
	}
}

func (l *chains) describe(o *claim.Op, v history.Value) {
	b := &chainBlock{id: idOf(v.Get("id")), parent: idOf(v.Get("parent")), text: v, by: o}
	b.height, _ = v.Get("height").Int()
	b.work, _ = v.Get("work").Int()
	for _, t := range v.Get("txs").Elems() {
		b.txs = append(b.txs, readTransfer(t))
	}
	if old := l.blocks[b.id]; old == nil {
		l.blocks[b.id] = b
		l.ids = append(l.ids, b.id)
	} else if !old.text.Equal(v) {
		l.odd = fmt.Errorf("block %s is described in two ways, at %d and at %d", plainID(b.id), old.by.Inv, o.Inv)
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
		w.bound, w.free = l.blocks[idOf(v.Get("bound"))], v.Get("bound").IsNil()
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
		if p := l.blocks[b.parent]; b.work > 0 && (p == nil || p.total > 0) {
			b.total = b.work
			if p != nil {
				b.total += p.total
			}
		}
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
			delete(l.views, w.Op)
		}
		return gone
	})
	for _, w := range l.seen {
		if !w.Invoke.Final {
			l.end = max(l.end, w.Complete.Time)
		}
		for b := w.tip; b != nil && b.adopted == nil; b = l.blocks[b.parent] {
			b.adopted = w
		}
	}
	l.stand()
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
