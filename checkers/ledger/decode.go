package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// none stands for no block, no account and no transfer.
const none int32 = -1

// ledger is all that is known of a ledger.
type ledger struct {
	ctx    context.Context
	opts   Options
	clock  checkers.Clock
	report *Report

	ids, names, accounts intern.Table // of blocks, transfers and accounts
	blocks               []block      // by number of the id
	views                []view       // by invocation
	submitted            []submission // by number of the transfer
	asked                []status
	cast                 []vote
	still                map[string][]*view // by node, those by which its finality stands still
	money                int64              // all amounts of the history together
}

// block is a block as an honest node described it.
type block struct {
	by      *history.Op // the invocation whose answer did so; nil if none did
	text    history.Value
	height  int64
	miner   string
	work    int64 // 0 if it is not known
	total   int64 // of its chain; 0 if it is not known
	txs     []tx
	parent  int32
	level   int32 // how many blocks are below it
	jump    int32 // some ancestor, far below
	adopter *view // the first observation with it on its chain
}

// tx is a transfer.
type tx struct {
	name, from, to     int32 // from and to are none where money is made or destroyed
	amount, fee, nonce int64
	numbered           bool // it has a nonce
}

// view is what a node takes for its chain: an observation, or the tip of balances.
type view struct {
	history.Call
	tip, final int32
	bound      int32
	expired    []int32 // transfers that will never be on the chain
	accounts   []entry // of balances
	balances   bool
}

// entry is the balance of an account.
type entry struct {
	account int32
	amount  int64
}

// submission is what clients did with a transfer.
type submission struct {
	first    history.Call
	content  tx
	accepted []history.Call // by honest nodes
	possible bool           // some submission was not refused
	expired  bool           // a node said that it will never be on the chain
	in       []int32        // the blocks that have it
}

// status is an answer about a transfer.
type status struct {
	history.Call
	name int32
	says string
}

// vote is a signed vote of a validator.
type vote struct {
	by   *history.Op
	text history.Value
}

func (l *ledger) stopped(err error) error {
	return fmt.Errorf("stopped before all rules were judged: %w (%d observations, %d blocks; broken so far: %v)",
		err, len(l.views), len(l.blocks), l.report.book.Counts())
}

// decode reads the calls.
func (l *ledger) decode(calls []history.Call) error {
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(l.ctx) != nil {
			return l.stopped(context.Cause(l.ctx))
		}
		if err := l.call(c); err != nil {
			at := c.Invoke.Index
			if c.Complete != nil {
				at = c.Complete.Index
			}
			return fmt.Errorf("index %d: %w; see what the client records", at, err)
		}
	}
	return nil
}

func (l *ledger) call(c history.Call) error {
	honest := !slices.Contains(l.opts.Byzantine, c.Invoke.Node)
	ok := c.Type() == history.OK
	switch f := c.Invoke.F; {
	case f == "transfer":
		return l.transfer(c, honest)
	case f != "observe" && f != "status" && f != "balances" || !ok:
		return nil
	case !honest:
		l.report.Ignored++
		return nil
	}
	l.falsified(c)
	switch c.Invoke.F {
	case "observe":
		l.report.Observations++
		return l.observation(c)
	case "status":
		return l.status(c)
	default:
		return l.balances(c)
	}
}

// falsified takes in that a client has found something wrong by itself.
func (l *ledger) falsified(c history.Call) {
	for _, f := range []struct{ rule, key string }{{FalseProof, "false"}, {FalseFinality, "unproven"}} {
		if why := c.Complete.Value.Get(f.key); !why.IsNil() {
			l.add(rules.Finding{Rule: f.rule, Ops: []int{c.Invoke.Index}, Why: fmt.Sprintf(
				"process %v%s asked for %s at %s and saw by itself what is wrong with the answer: %s",
				c.Invoke.Process, through(c.Invoke), c.Invoke.F, l.clock.At(c.Invoke), checkers.KeyName(why))})
		}
	}
}

func (l *ledger) transfer(c history.Call, honest bool) error {
	t, err := l.tx(c.Invoke.Value)
	if err != nil {
		return err
	}
	s := l.submission(t.name)
	if s.first.Invoke == nil {
		s.first, s.content = c, t
	} else if s.content != t {
		return fmt.Errorf("transfer %v was submitted with another content at index %d: ids have to be unique", c.Invoke.Value.Get("id"), s.first.Invoke.Index)
	}
	s.possible = s.possible || c.Type() != history.Fail
	if c.Type() == history.OK && honest {
		s.accepted = append(s.accepted, c)
	}
	return nil
}

func (l *ledger) submission(name int32) *submission {
	for int(name) >= len(l.submitted) {
		l.submitted = append(l.submitted, submission{})
	}
	return &l.submitted[name]
}

func (l *ledger) observation(c history.Call) error {
	v := c.Complete.Value
	for _, b := range v.Get("blocks").Elems() {
		if err := l.block(c.Invoke, b); err != nil {
			return err
		}
	}
	for _, e := range v.Get("votes").Elems() {
		if e.Kind() != history.KindMap {
			return fmt.Errorf("a vote has to be a map, not %v", e)
		}
		l.cast = append(l.cast, vote{c.Invoke, e})
	}
	if err := scalar(v.Get("tip")); err != nil {
		return fmt.Errorf("an observation has to name a tip: %w", err)
	}
	o := view{Call: c, tip: l.id(v.Get("tip")), final: none, bound: none}
	if b := v.Get("bound"); !b.IsNil() {
		if err := scalar(b); err != nil {
			return err
		}
		o.bound = l.id(b)
	}
	for _, e := range v.Get("expired").Elems() {
		if err := scalar(e); err != nil {
			return err
		}
		name := l.names.ID(e)
		l.submission(name).expired = true
		o.expired = append(o.expired, name)
	}
	if f := v.Get("finalized"); !f.IsNil() {
		if err := scalar(f); err != nil {
			return err
		}
		o.final = l.id(f)
	}
	l.views = append(l.views, o)
	l.report.judged++
	return nil
}

// scalar sees that a value is one that can be the name of something.
func scalar(v history.Value) error {
	switch v.Kind() {
	case history.KindInt, history.KindString, history.KindKeyword:
		return nil
	default:
		return fmt.Errorf("the name of a block, transfer, account or document has to be a text or an integer, not %v", v)
	}
}

// id returns the number of a block, which may not have been described yet.
func (l *ledger) id(v history.Value) int32 {
	id := l.ids.ID(v)
	if int(id) == len(l.blocks) {
		l.blocks = append(l.blocks, block{parent: none})
	}
	return id
}

func (l *ledger) block(by *history.Op, v history.Value) error {
	if err := scalar(v.Get("id")); err != nil {
		return fmt.Errorf("a block has to be a map with an id: %w", err)
	}
	height, ok := v.Get("height").Int()
	if !ok {
		return fmt.Errorf("the height of block %v has to be an integer, not %v", v.Get("id"), v.Get("height"))
	}
	id := l.id(v.Get("id"))
	if b := &l.blocks[id]; b.by != nil {
		if !b.text.Equal(v) {
			l.add(rules.Finding{Rule: InconsistentBlock, Ops: []int{b.by.Index, by.Index}, Item: checkers.KeyName(v.Get("id")), Why: fmt.Sprintf(
				"process %v%s at %s was told that block %s is %v, and process %v%s at %s that it is %v",
				b.by.Process, through(b.by), l.clock.At(b.by), checkers.KeyName(v.Get("id")), b.text, by.Process, through(by), l.clock.At(by), v)})
		}
		return nil
	}
	parent := none
	if p := v.Get("parent"); !p.IsNil() {
		if err := scalar(p); err != nil {
			return err
		}
		parent = l.id(p)
	}
	b := block{by: by, text: v, height: height, miner: checkers.KeyName(v.Get("miner")), parent: parent}
	if b.work, _ = v.Get("work").Int(); b.work < 0 || b.work > 1<<40 {
		return fmt.Errorf("the work of block %v has to be a number from 0 to %d, not %d", v.Get("id"), int64(1)<<40, b.work)
	}
	for _, e := range v.Get("txs").Elems() {
		t, err := l.tx(e)
		if err != nil {
			return err
		}
		b.txs = append(b.txs, t)
	}
	l.blocks[id] = b
	l.report.Blocks++
	return nil
}

// tx reads a transfer. All amounts of a history together have to stay far from
// where integers end, so that no sum of them can go wrong.
func (l *ledger) tx(v history.Value) (tx, error) {
	for _, name := range []string{"id", "from", "to"} {
		if err := scalar(v.Get(name)); err != nil && (name == "id" || !v.Get(name).IsNil()) {
			return tx{}, fmt.Errorf("%q of a transfer: %w", name, err)
		}
	}
	t := tx{name: l.names.ID(v.Get("id")), from: none, to: none}
	l.submission(t.name)
	if from := v.Get("from"); !from.IsNil() {
		t.from = l.accounts.ID(from)
	}
	if to := v.Get("to"); !to.IsNil() {
		t.to = l.accounts.ID(to)
	}
	var ok bool
	if t.amount, ok = v.Get("amount").Int(); !ok {
		return tx{}, fmt.Errorf("the amount of transfer %v has to be an integer, not %v", v.Get("id"), v.Get("amount"))
	}
	t.fee, _ = v.Get("fee").Int()
	t.nonce, t.numbered = v.Get("nonce").Int()
	const most = 1 << 60
	if t.amount < 0 || t.fee < 0 || t.amount > most || t.fee > most || l.money+t.amount+t.fee > most {
		return tx{}, fmt.Errorf("the amounts of transfer %v are below zero, or all amounts together above %d", v.Get("id"), int64(most))
	}
	l.money += t.amount + t.fee
	return t, nil
}

func (l *ledger) status(c history.Call) error {
	says := c.Complete.Value.Text()
	if !slices.Contains([]string{"confirmed", "pending", "unknown", "expired", "rejected"}, says) {
		return fmt.Errorf("a status is confirmed, pending, unknown, expired or rejected, not %v", c.Complete.Value)
	}
	if err := scalar(c.Invoke.Value); err != nil {
		return err
	}
	name := l.names.ID(c.Invoke.Value)
	if says == "expired" || says == "rejected" {
		l.submission(name).expired = true
	}
	l.asked = append(l.asked, status{c, name, says})
	l.report.judged++
	return nil
}

func (l *ledger) balances(c history.Call) error {
	v := c.Complete.Value
	if scalar(v.Get("tip")) != nil || v.Get("accounts").Kind() != history.KindMap {
		return fmt.Errorf("balances have to be a map with a tip and accounts, not %v", v)
	}
	o := view{Call: c, tip: l.id(v.Get("tip")), final: none, bound: none, balances: true}
	pairs, sum := v.Get("accounts").Elems(), int64(0)
	for i := 0; i+1 < len(pairs); i += 2 {
		n, ok := pairs[i+1].Int()
		if sum += max(n, -n); !ok || n < -1<<60 || n > 1<<60 || sum > 1<<61 {
			return fmt.Errorf("the balance of %v has to be an integer, far from where integers end, not %v", pairs[i], pairs[i+1])
		}
		if err := scalar(pairs[i]); err != nil {
			return err
		}
		o.accounts = append(o.accounts, entry{l.accounts.ID(pairs[i]), n})
	}
	if twice := slices.SortedFunc(slices.Values(o.accounts), func(a, b entry) int { return cmp.Compare(a.account, b.account) }); len(slices.CompactFunc(twice, func(a, b entry) bool { return a.account == b.account })) < len(o.accounts) {
		return fmt.Errorf("an account is twice in %v", v)
	}
	l.views = append(l.views, o)
	l.report.judged++
	return nil
}

func (l *ledger) add(f rules.Finding) { l.report.book.Add(f) }
