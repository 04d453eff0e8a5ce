package coin_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

func signed(id uint64, from, to string, amount uint64) coin.Transfer {
	t := coin.Transfer{ID: id, From: from, To: to, Amount: amount, Fee: 1, Nonce: id, Until: 20}
	t.Sign(coin.Key(from))
	return t
}

func public(name string) ed25519.PublicKey { return coin.Key(name).Public().(ed25519.PublicKey) }

// A signature is good for one content, and a path leads to one root.
func Example() {
	t := signed(7, "a1", "a2", 5)
	fmt.Println("signed:", t.Signed(public("a1")))
	t.Amount = 500
	fmt.Println("changed:", t.Signed(public("a1")))

	txs := []coin.Transfer{signed(1, "a1", "a2", 1), signed(2, "a2", "a3", 2), signed(3, "a3", "a1", 3)}
	path := coin.PathOf(txs, 1)
	fmt.Println("in the tree:", path.Root(txs[1].Hash()) == coin.Root(txs))
	fmt.Println("another one:", path.Root(txs[2].Hash()) == coin.Root(txs))
	// Output:
	// signed: true
	// changed: false
	// in the tree: true
	// another one: false
}

func TestPathsLeadToTheRoot(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		var txs []coin.Transfer
		for i := range n {
			txs = append(txs, coin.Transfer{ID: uint64(i)})
		}
		root := coin.Root(txs)
		for i := range txs {
			if got := coin.PathOf(txs, i).Root(txs[i].Hash()); got != root {
				t.Errorf("%d of %d leads to %v, not to %v", i, n, got, root)
			}
		}
		// A list whose last transfer stands twice has a root of its own.
		if n > 0 && coin.Root(append(txs, txs[n-1])) == root {
			t.Errorf("%d transfers have the root of %d", n+1, n)
		}
	}
}

func TestMinedBlocksAreProven(t *testing.T) {
	t.Parallel()
	for work := uint64(1); work < 600; work *= 5 {
		h := coin.Header{Height: 1, Work: work, Miner: "n1"}
		for !h.Mine(100) {
		}
		if !h.Hash().Proven(work) {
			t.Errorf("a block of work %d does not show it", work)
		}
	}
	if (coin.Hash{}).Proven(0) {
		t.Error("no work is shown by anything")
	}
}

func transfers(rt *rapid.T) []coin.Transfer {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) coin.Transfer {
		return coin.Transfer{
			ID: rapid.Uint64().Draw(rt, "id"), From: rapid.String().Draw(rt, "from"), To: rapid.String().Draw(rt, "to"),
			Amount: rapid.Uint64().Draw(rt, "amount"), Fee: rapid.Uint64().Draw(rt, "fee"), Nonce: rapid.Uint64().Draw(rt, "nonce"),
			Until: rapid.Uint64().Draw(rt, "until"), Memo: rapid.String().Draw(rt, "memo"),
			Sig: rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(rt, "sig"),
		}
	}), 1, 5).Draw(rt, "txs")
}

// What is written is read again as it was.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		txs := transfers(rt)
		b := &coin.Block{Header: coin.Header{
			Parent: coin.Hash{1}, Root: coin.Root(txs), Height: rapid.Uint64().Draw(rt, "height"), Time: rapid.Int64().Draw(rt, "time"),
			Work: 1, Miner: rapid.String().Draw(rt, "miner"), Pay: rapid.Uint64().Draw(rt, "pay"), Nonce: rapid.Uint64().Draw(rt, "nonce"),
		}, Txs: txs}
		vote := coin.Vote{Validator: "n1", Source: coin.Hash{2}, Target: coin.Hash{3}, SourceHeight: 4, TargetHeight: 8}
		vote.Sign(coin.Key("n1"))
		view := coin.View{Tip: b.Hash(), Final: coin.Hash{4}, Bound: coin.Hash{5}, Blocks: []coin.Told{{Name: b.Hash(), Block: b}}, Expired: []uint64{1, 2}}
		if rapid.Bool().Draw(rt, "voted") {
			view.Base, view.Seal, view.Votes, view.Heard = []coin.Header{b.Header}, []coin.Vote{vote}, []coin.Vote{vote, vote}, 7
		}
		if got, err := coin.ParseView(view.Append(nil)[1:]); err != nil || !reflect.DeepEqual(got, view) {
			rt.Fatalf("%v %+v", err, got)
		}
		i := rapid.IntRange(0, len(txs)-1).Draw(rt, "i")
		e := coin.Evidence{Header: b.Header, Tx: txs[i], Path: coin.PathOf(txs, i), Above: view.Base, Seal: view.Seal}
		if got, err := coin.ParseEvidence(e.Append(nil)[1:]); err != nil || !reflect.DeepEqual(got, e) {
			rt.Fatalf("%v %+v", err, got)
		}
		e.Tx.Amount++
		if _, err := coin.ParseEvidence(e.Append(nil)[1:]); err == nil {
			rt.Fatal("a changed transfer is proven")
		}
		purses := []coin.Purse{{Account: "a", Money: 1}, {Account: "b", Money: 1 << 50}}
		if tip, got, err := coin.ParsePurses(coin.AppendPurses(nil, view.Tip, purses)[1:]); err != nil || tip != view.Tip || !reflect.DeepEqual(got, purses) {
			rt.Fatalf("%v %v %v", tip, got, err)
		}
		for _, r := range []coin.Request{
			{Ask: coin.Height}, {Ask: coin.Submit, Tx: txs[0]}, {Ask: coin.Status, ID: 7}, {Ask: coin.Balances},
			{Ask: coin.Observe, Since: view.Tip.Brief(), Heard: 3, All: true}, {Ask: coin.Proof, ID: 9},
		} {
			if got, err := coin.ParseRequest(r.Append(nil)); err != nil || !reflect.DeepEqual(got, r) {
				rt.Fatalf("%v %+v, was %+v", err, got, r)
			}
		}
	})
}

func TestVotesAreSigned(t *testing.T) {
	t.Parallel()
	v := coin.Vote{Validator: "n1", SourceHeight: 4, TargetHeight: 8}
	v.Sign(coin.Key("n1"))
	if !v.Signed(public("n1")) || v.Signed(public("n2")) {
		t.Error("the signature is not that of n1")
	}
	if v.TargetHeight++; v.Signed(public("n1")) {
		t.Error("another vote has the signature")
	}
}

func TestBriefNames(t *testing.T) {
	t.Parallel()
	h := coin.Hash{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if got := coin.ParseBrief(h.String()); got != h.Brief() {
		t.Error(got)
	}
	for _, odd := range []string{"", "01", "no hash at all.."} {
		if coin.ParseBrief(odd) != (coin.Brief{}) {
			t.Errorf("%q is a name", odd)
		}
	}
}

// Whatever comes, it is read or refused, and what was read is written the same.
func FuzzRequests(f *testing.F) {
	t := signed(1, "a1", "a2", 3)
	for _, r := range []coin.Request{{Ask: coin.Submit, Tx: t}, {Ask: coin.Observe, All: true}, {Ask: coin.Status, ID: 1}} {
		f.Add(r.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := coin.ParseRequest(b); err == nil {
			if again, err := coin.ParseRequest(r.Append(nil)); err != nil || !reflect.DeepEqual(again, r) {
				t.Fatal(r, again, err)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	v := coin.View{Blocks: []coin.Told{{Block: &coin.Block{Txs: []coin.Transfer{signed(1, "a1", "a2", 3)}}}}}
	f.Add(v.Append(nil)[1:])
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = coin.ParseView(b)
		_, _, _ = coin.ParsePurses(b)
		_, _ = coin.ParseEvidence(b)
		d := wire.NewDecoder(b)
		coin.ReadBlock(d)
		coin.ReadVote(d)
	})
}
