package ledger

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
)

// books are the accounts at one block of a chain. They go up a chain block by
// block, and back down to where another chain begins.
type books struct {
	*ledger
	balance []int64
	supply  int64
	nonces  map[nonce]place // the transfers of the chain that have one
	names   map[int32]int32 // transfers of the chain, and the block that has each
	below   int             // accounts that are below zero
}

// nonce is what an account may use once.
type nonce struct {
	account int32
	number  int64
}

// place is a transfer in a block.
type place struct{ name, block int32 }

// undo takes back what one block did.
type undo struct {
	block  int32
	nonces []nonce
	names  []int32
}

// replay goes over the adopted part of the tree depth first, doing each block
// on the way up and taking it back on the way down.
func (l *ledger) replay() error {
	children := make([][]int32, len(l.blocks))
	reads := make(map[int32][]*view)
	var todo []undo
	for i := range l.blocks {
		switch b := &l.blocks[i]; {
		case b.adopter == nil:
		case b.parent == none:
			todo = append(todo, undo{block: int32(i)})
		default:
			children[b.parent] = append(children[b.parent], int32(i))
		}
	}
	for i := range l.views {
		if v := &l.views[i]; v.balances {
			reads[v.tip] = append(reads[v.tip], v)
		}
	}
	k := &books{ledger: l, balance: make([]int64, l.accounts.Len()), nonces: map[nonce]place{}, names: map[int32]int32{}}
	const leave = -2 // marks a block that was done already
	for steps := 0; len(todo) > 0; steps++ {
		if steps%4096 == 0 && context.Cause(l.ctx) != nil {
			return l.stopped(context.Cause(l.ctx))
		}
		top := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if top.block <= leave {
			top.block = leave - top.block
			k.undo(top)
			continue
		}
		done := k.do(top.block)
		for _, v := range reads[top.block] {
			k.compare(v)
		}
		done.block = leave - done.block
		todo = append(todo, done)
		for _, c := range children[top.block] {
			todo = append(todo, undo{block: c})
		}
	}
	return nil
}

// do adds a block to the books.
func (k *books) do(id int32) undo {
	u := undo{block: id}
	b := &k.blocks[id]
	minted, fees, sound := int64(0), int64(0), k.below == 0
	for _, t := range b.txs {
		k.first(&u, t)
		if t.from == none {
			minted += t.amount
		} else {
			k.change(t.from, -t.amount-t.fee)
			fees += t.fee
		}
		if t.to != none {
			k.change(t.to, t.amount)
		}
	}
	k.supply += k.made(b)
	if b.parent != none && minted > k.opts.Reward+fees {
		k.chain(Inflation, k.blockName(id), fmt.Sprintf("block %s makes %d, but may make %d at most: %d and the fees of %d",
			k.blockName(id), minted, k.opts.Reward+fees, k.opts.Reward, fees), id)
	}
	if sound && k.below > 0 {
		k.overdrawn(id)
	}
	return u
}

// overdrawn notes that a block leaves an account that it takes from below zero.
func (k *books) overdrawn(id int32) {
	for _, t := range k.blocks[id].txs {
		if t.from != none && k.balance[t.from] < 0 {
			k.chain(NegativeBalance, k.blockName(id), fmt.Sprintf("after block %s account %s has %d", k.blockName(id), k.accountName(t.from), k.balance[t.from]), id)
			return
		}
	}
}

// made returns by how much a block changes the supply of money.
func (k *books) made(b *block) int64 {
	sum := int64(0)
	for _, t := range b.txs {
		if t.from == none {
			sum += t.amount
		} else {
			sum -= t.fee
		}
		if t.to == none {
			sum -= t.amount
		}
	}
	return sum
}

// first sees whether a transfer, or one with the same nonce, is on the chain.
func (k *books) first(u *undo, t tx) {
	if at, twice := k.names[t.name]; twice {
		k.chain(DuplicateTransfer, k.txName(t.name), fmt.Sprintf("transfer %s is in block %s and again in block %s",
			k.txName(t.name), k.blockName(at), k.blockName(u.block)), at, u.block)
	} else {
		k.names[t.name] = u.block
		u.names = append(u.names, t.name)
	}
	if t.from == none || !t.numbered {
		return
	}
	n := nonce{t.from, t.nonce}
	before, used := k.nonces[n]
	switch {
	case !used:
		k.nonces[n] = place{t.name, u.block}
		u.nonces = append(u.nonces, n)
	case before.name != t.name:
		k.chain(DoubleSpend, k.txName(t.name), fmt.Sprintf("account %s used nonce %d for transfer %s in block %s and again for transfer %s in block %s",
			k.accountName(n.account), n.number, k.txName(before.name), k.blockName(before.block), k.txName(t.name), k.blockName(u.block)), before.block, u.block)
	}
}

// change adds to a balance, and keeps count of those that are below zero.
func (k *books) change(account int32, by int64) {
	was := k.balance[account]
	k.balance[account] = was + by
	switch is := was + by; {
	case was >= 0 && is < 0:
		k.below++
	case was < 0 && is >= 0:
		k.below--
	}
}

func (k *books) undo(u undo) {
	b := &k.blocks[u.block]
	for _, t := range b.txs {
		if t.from != none {
			k.change(t.from, t.amount+t.fee)
		}
		if t.to != none {
			k.change(t.to, -t.amount)
		}
	}
	k.supply -= k.made(b)
	for _, n := range u.nonces {
		delete(k.nonces, n)
	}
	for _, name := range u.names {
		delete(k.names, name)
	}
}

// compare sees whether balances are those of the books. An account that is not
// there has nothing.
func (k *books) compare(v *view) {
	sum, has := int64(0), make(map[int32]int64, len(v.accounts))
	for _, e := range v.accounts {
		sum += e.amount
		has[e.account] = e.amount
	}
	if sum != k.supply {
		k.add(rules.Finding{Rule: Conservation, Ops: []int{v.Invoke.Index}, Why: fmt.Sprintf(
			"%s, and balances of %d in all; the blocks of that chain made %d", k.saw(v), sum, k.supply)})
	}
	for _, e := range v.accounts {
		if has[e.account] != k.balance[e.account] {
			k.wrong(v, e.account, has[e.account])
			return
		}
	}
	if sum == k.supply && k.below == 0 {
		return // what is not there has nothing in all, and none of it less than nothing
	}
	for a, want := range k.balance {
		if want != has[int32(a)] {
			k.wrong(v, int32(a), 0)
			return
		}
	}
}

func (k *books) wrong(v *view, account int32, got int64) {
	k.add(rules.Finding{Rule: WrongBalance, Ops: []int{v.Invoke.Index}, Item: k.accountName(account), Why: fmt.Sprintf(
		"%s, and %d in account %s; by the blocks of that chain it has %d", k.saw(v), got, k.accountName(account), k.balance[account])})
}

// chain notes what is wrong with a chain because of one of its blocks, or two.
func (k *books) chain(rule string, item, what string, at ...int32) {
	v := k.blocks[at[len(at)-1]].adopter
	ops := []int{v.Invoke.Index}
	for _, id := range at {
		ops = append(ops, k.blocks[id].by.Index)
	}
	k.add(rules.Finding{Rule: rule, Ops: ops, Item: item, Why: fmt.Sprintf("%s; on its chain, %s", k.saw(v), what)})
}
