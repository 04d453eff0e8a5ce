package pow

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// pool is the transfers that wait for a block.
type pool struct {
	waiting map[coin.Hash]*coin.Transfer
	order   []coin.Hash // as they came, with some that are gone
	known   map[uint64]coin.Hash
	spends  map[spend]int    // how many wait that use a nonce
	out     map[string]int64 // what those that wait take from each account

	expired []uint64 // transfers that can never be in the chain, as it became known
	over    map[uint64]bool
	// back has the transfers that a reorganisation took out of the chain.
	back map[coin.Hash]bool
}

func newPool() *pool {
	return &pool{
		waiting: map[coin.Hash]*coin.Transfer{}, known: map[uint64]coin.Hash{}, spends: map[spend]int{}, out: map[string]int64{},
		over: map[uint64]bool{}, back: map[coin.Hash]bool{},
	}
}

func (p *pool) add(name coin.Hash, t *coin.Transfer) {
	if p.waiting[name] != nil {
		return
	}
	p.waiting[name] = t
	p.order = append(p.order, name)
	p.known[t.ID] = name
	p.spends[spend{t.From, t.Nonce}]++
	p.out[t.From] += int64(t.Amount + t.Fee)
}

func (p *pool) remove(name coin.Hash) {
	t := p.waiting[name]
	if t == nil {
		return
	}
	delete(p.waiting, name)
	delete(p.known, t.ID)
	p.spends[spend{t.From, t.Nonce}]--
	p.out[t.From] -= int64(t.Amount + t.Fee)
	if len(p.order) > 64 && len(p.order) > 4*len(p.waiting) {
		p.order = slices.DeleteFunc(p.order, func(h coin.Hash) bool { return p.waiting[h] == nil })
	}
}

// list returns what waits, in the order in which it came.
func (p *pool) list() []*coin.Transfer {
	seen := make(map[coin.Hash]bool, len(p.waiting))
	var list []*coin.Transfer
	for _, name := range p.order {
		if t := p.waiting[name]; t != nil && !seen[name] {
			seen[name] = true
			list = append(list, t)
		}
	}
	return list
}

// expire drops what can be in no block above a final one.
func (p *pool) expire(final uint64) (gone []*coin.Transfer) {
	for _, name := range slices.Clone(p.order) { // remove tidies it up
		t := p.waiting[name]
		if t == nil || t.Until > final {
			continue
		}
		gone = append(gone, t)
		p.remove(name)
		if !p.over[t.ID] {
			p.over[t.ID] = true
			p.expired = append(p.expired, t.ID)
		}
	}
	return gone
}
