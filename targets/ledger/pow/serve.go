package pow

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// Serve implements actor.Node. A node answers for itself: what it says is how
// its own chain is.
func (n *node) Serve(req actor.RequestID, body []byte) {
	r, err := coin.ParseRequest(body)
	switch {
	case err != nil:
		n.env.Reply(req, coin.Refusal(err.Error()))
	case !n.ready:
		n.env.Reply(req, coin.Refusal("not ready"))
	case r.Ask == coin.Submit:
		n.submit(req, &r.Tx)
	default:
		n.env.Reply(req, n.answer(&r))
	}
	n.end()
}

// submit takes a transfer of a client, unless it can be seen not to fit.
func (n *node) submit(req actor.RequestID, t *coin.Transfer) {
	if why := n.unfit(t); why != "" {
		n.env.Reply(req, coin.Refusal(why))
		return
	}
	n.takeTransfer(t, func() {
		n.env.Reply(req, []byte{byte(coin.Yes)})
		n.tellAll(t.AppendTo([]byte{msgTransfer}))
	})
}

// unfit says why a transfer is refused. The dearest question comes last.
func (n *node) unfit(t *coin.Transfer) string {
	use := spend{t.From, t.Nonce}
	switch {
	case t.From == "" || t.From == t.To && t.From != coin.Notary:
		return "not a transfer from one account to another"
	case n.knows(t.ID) || n.flying[t.Hash()]:
		return "made before"
	case n.books.used[use] || n.pool.spends[use] > 0:
		return "nonce used"
	case t.Until <= n.tip.Height || t.Until > n.tip.Height+maxUntil:
		return "until when is out of range"
	case n.books.money[t.From]-n.pool.out[t.From] < int64(t.Amount+t.Fee):
		return "not enough money"
	case n.full(t):
		return "too many transfers wait"
	case !n.signed(t):
		return "not signed by that account"
	}
	return ""
}

func (n *node) answer(r *coin.Request) []byte {
	yes := []byte{byte(coin.Yes)}
	switch r.Ask {
	case coin.Height:
		return wire.AppendUvarints(yes, n.tip.Height)
	case coin.Status:
		return append(yes, n.fate(r.ID)...)
	case coin.Balances:
		return coin.AppendPurses(nil, n.tip.name, n.books.purses())
	case coin.Observe:
		return n.view(r).Append(nil)
	default:
		return n.evidence(r.ID)
	}
}

// fate says what became of a transfer.
func (n *node) fate(id uint64) string {
	at := n.books.at[id]
	_, waits := n.pool.known[id]
	first, seen := n.first[id]
	switch {
	case n.cfg.has(FirstSeen) && seen && n.high+1 >= first+n.cfg.Depth:
		return coin.Confirmed
	case at != nil && at.Height <= n.final().Height:
		return coin.Confirmed
	case at != nil || waits:
		return coin.Pending
	case n.pool.over[id]:
		return coin.Expired
	default:
		return coin.Unknown
	}
}

// view returns the node's chain, from where the chain that the client knows left
// it. What the node takes for final or justified has to be in its chain; if it is
// not, the client gets to see where it is instead.
func (n *node) view(r *coin.Request) *coin.View {
	_, seal := n.gadget.seal(n.final())
	heard := n.gadget.heard
	v := &coin.View{
		Tip: n.tip.name, Final: n.final().name, Bound: n.bound().name, Seal: seal,
		Votes: slices.Clone(heard[min(r.Heard, uint64(len(heard))):]), Heard: uint64(len(heard)),
	}
	if n.vote != nil {
		v.Votes = append(v.Votes, *n.vote)
	}
	blocks := n.tree.genesis.upTo(n.tip)
	if since := n.tree.briefs[r.Since]; since != nil {
		base := meet(since, n.tip)
		blocks, v.Base = path(base, n.tip), []coin.Header{base.Header}
	}
	for _, end := range []*block{n.final(), n.bound()} {
		for _, b := range path(meet(end, n.tip), end) {
			if !slices.Contains(blocks, b) {
				blocks = append(blocks, b)
			}
		}
	}
	for _, b := range blocks {
		v.Blocks = append(v.Blocks, coin.Told{Name: b.name, Block: b.Block})
	}
	if r.All {
		v.Expired = n.pool.expired
	}
	return v
}

// upTo returns the blocks of the chain that ends in tip from b on.
func (b *block) upTo(tip *block) []*block { return append([]*block{b}, path(b, tip)...) }

// evidence shows that a transfer is in a final block: by votes, where it takes
// votes to be that.
func (n *node) evidence(id uint64) []byte {
	at := n.books.at[id]
	if at == nil || at.Height > n.final().Height {
		return coin.Refusal("not final")
	}
	for i := range at.Txs {
		if at.Txs[i].ID == id {
			e := at.Evidence(i)
			var final *block
			final, e.Seal = n.gadget.seal(at)
			for _, b := range path(at, final) {
				e.Above = append(e.Above, b.Header)
			}
			return e.Append(nil)
		}
	}
	panic("pow: the books know a block by a transfer that it does not have")
}
