package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// wallet signs what its clients want to have in the chain, and talks to the
// node that the client belongs to.
type wallet struct {
	keys map[string]ed25519.PrivateKey
}

func (w *wallet) key(account string) ed25519.PrivateKey {
	if w.keys == nil {
		w.keys = map[string]ed25519.PrivateKey{}
	}
	if w.keys[account] == nil {
		w.keys[account] = coin.Key(account)
	}
	return w.keys[account]
}

// public returns the key by which signatures of an account, or of a validator, are
// verified.
func (w *wallet) public(name string) ed25519.PublicKey {
	key, is := w.key(name).Public().(ed25519.PublicKey)
	if !is {
		panic("ledger: the public part of a key is of another kind")
	}
	return key
}

// refused is the error of an answer that is a refusal, which is for good.
type refused string

func (r refused) Error() string { return string(r) }

// ask sends a request and returns what follows the Yes.
func ask(env client.Env, r coin.Request) ([]byte, error) {
	answer, err := env.Call(env.Node(), r.Append(nil))
	if err != nil {
		return nil, err
	}
	d := wire.NewDecoder(answer)
	switch coin.Answer(d.Byte()) {
	case coin.Yes:
		return d.Rest(), nil
	case coin.Refused:
		return nil, refused(d.String())
	default:
		return nil, errors.New("an answer that cannot be read")
	}
}

// lifetime is after how many blocks a transfer expires.
const lifetime = 20

// submit has a transfer taken: it asks how high the chain is, to say until when
// the transfer is good, and then sends it, once.
func (w *wallet) submit(env client.Env, op history.Op, t *coin.Transfer) history.Op {
	answer, err := ask(env, coin.Request{Ask: coin.Height})
	if err != nil {
		return ended(op, err, true) // nothing was signed yet
	}
	height := wire.NewDecoder(answer).Uvarint()
	t.Until = height + lifetime
	w.sign(t, op.Value.Get("flaw").Text(), height)
	if _, err := ask(env, coin.Request{Ask: coin.Submit, Tx: *t}); err != nil {
		return ended(op, err, false)
	}
	return client.OK(op, op.Value)
}

// sign signs a transfer, if need be with the flaw that the workload asks for.
func (w *wallet) sign(t *coin.Transfer, flaw string, height uint64) {
	by := t.From
	switch flaw {
	case "stolen":
		by = t.To
	case "overflow":
		t.Amount, t.Fee = t.Amount+1<<63, t.Fee+1<<63
	case "amount":
		t.Amount += 1 << 63
	case "fee": // the sum is zero
		t.Amount = max(t.Amount, 1)
		t.Fee = -t.Amount
	case "late":
		t.Until = height
	case "endless":
		t.Until = math.MaxUint64
	case "self":
		t.To = t.From
	}
	if t.Sign(w.key(by)); flaw == "unsigned" {
		t.Sig = nil
	}
}

// ended completes an operation that came to nothing.
func ended(op history.Op, err error, readOnly bool) history.Op {
	var no refused
	if errors.As(err, &no) {
		return client.Fail(op, err.Error())
	}
	return client.Broken(op, err, readOnly)
}

// payer does the operations of the workload transfer.
type payer struct {
	wallet
	*judge
}

// Invoke does one operation.
func (c *payer) Invoke(env client.Env, op history.Op) history.Op {
	switch op.F {
	case "transfer":
		return c.transfer(env, op)
	case "status":
		id, ok := op.Value.Int()
		if !ok || id < 0 {
			return client.Fail(op, "bad-request: status wants the id of a transfer")
		}
		answer, err := ask(env, coin.Request{Ask: coin.Status, ID: uint64(id)})
		if err != nil {
			return ended(op, err, true)
		}
		return client.OK(op, history.String(string(answer)))
	case "balances":
		return balances(env, op)
	case "observe":
		return c.observe(env, op)
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
}

func (c *payer) transfer(env client.Env, op history.Op) history.Op {
	t := coin.Transfer{From: op.Value.Get("from").Text(), To: op.Value.Get("to").Text()}
	for _, f := range []struct {
		name string
		to   *uint64
	}{{"id", &t.ID}, {"amount", &t.Amount}, {"fee", &t.Fee}, {"nonce", &t.Nonce}} {
		n, ok := op.Value.Get(f.name).Int()
		if n < 0 || !ok && f.name != "fee" {
			return client.Fail(op, "bad-request: "+f.name+" of a transfer has to be a number")
		}
		*f.to = uint64(n)
	}
	end := c.submit(env, op, &t)
	if end.Type == history.OK {
		end.Value = history.Map(slices.Concat(op.Value.Elems(), []history.Value{history.String("until"), history.Int(int64(t.Until))})...)
	}
	return end
}

func balances(env client.Env, op history.Op) history.Op {
	answer, err := ask(env, coin.Request{Ask: coin.Balances})
	if err != nil {
		return ended(op, err, true)
	}
	tip, purses, err := coin.ParsePurses(answer)
	if err != nil {
		return ended(op, err, true)
	}
	var accounts []history.Value
	kvs := []history.Value{str("tip"), name(tip)}
	for _, p := range purses {
		if p.Money > most || p.Money < -most {
			kvs = append(kvs, str("false"), str(fmt.Sprintf("account %s has %d, %v", p.Account, p.Money, errMoney)))
			break // sums of that could go wrong
		}
		accounts = append(accounts, str(p.Account), history.Int(p.Money))
	}
	return client.OK(op, history.Map(append(kvs, str("accounts"), history.Map(accounts...))...))
}

// observe asks for the chain, and looks at it. What the chain named by "since" has is
// not told again, nor are as many votes as "heard" says: they were part of an earlier
// observation.
func (c *payer) observe(env client.Env, op history.Op) history.Op {
	heard, _ := op.Value.Get("heard").Int()
	r := coin.Request{Ask: coin.Observe, All: op.Final, Since: coin.ParseBrief(op.Value.Get("since").Text()), Heard: uint64(heard)}
	answer, err := ask(env, r)
	if err != nil {
		return ended(op, err, true)
	}
	v, err := coin.ParseView(answer)
	if err != nil {
		return ended(op, err, true)
	}
	kvs := []history.Value{str("tip"), name(v.Tip), str("finalized"), name(v.Final), str("bound"), name(v.Bound)}
	if err := c.chain(&v, env.Nodes()); err != nil {
		kvs = append(kvs, str("false"), str(err.Error()))
	}
	if err := c.final(v.Final, v.Seal, env.Nodes()); err != nil {
		kvs = append(kvs, str("unproven"), str(err.Error()))
	}
	var blocks, expired, votes []history.Value
	for _, b := range v.Blocks {
		blocks = append(blocks, told(b))
	}
	for _, id := range v.Expired {
		expired = append(expired, number64(id))
	}
	kvs = append(kvs, str("blocks"), history.List(blocks...))
	for i := range v.Votes {
		votes = append(votes, voted(&v.Votes[i]))
	}
	kvs = append(kvs, str("votes"), history.List(votes...), str("heard"), number64(v.Heard))
	if op.Final {
		kvs = append(kvs, str("expired"), history.List(expired...))
	}
	return client.OK(op, history.Map(kvs...))
}

// told is a block as histories have it. Money that it makes is a transfer from
// nobody. What is more money than there can be is left out: that it is there is
// wrong enough, and sums of it would be nonsense.
func told(b coin.Told) history.Value {
	var txs []history.Value
	for i := range b.Txs {
		t := &b.Txs[i]
		if t.Amount > most || t.Fee > most {
			continue
		}
		if t.From == "" {
			txs = append(txs, history.Map(str("id"), str(fmt.Sprint("genesis-", t.To)), str("to"), str(t.To), str("amount"), number64(t.Amount)))
			continue
		}
		kvs := []history.Value{str("id"), number64(t.ID), str("from"), str(t.From), str("to"), str(t.To), str("amount"), number64(t.Amount)}
		if t.Fee > 0 {
			kvs = append(kvs, str("fee"), number64(t.Fee))
		}
		txs = append(txs, history.Map(append(kvs, str("nonce"), number64(t.Nonce))...))
	}
	if b.Pay > 0 && b.Pay <= most {
		txs = append(txs, history.Map(str("id"), str("pay-"+b.Name.String()), str("to"), str(b.Miner), str("amount"), number64(b.Pay)))
	}
	kvs := []history.Value{str("id"), name(b.Name), str("height"), number64(b.Height), str("work"), number64(b.Work)}
	if b.Height > 0 {
		kvs = append(kvs, str("parent"), name(b.Parent), str("miner"), str(b.Miner))
	}
	return history.Map(append(kvs, str("txs"), history.List(txs...))...)
}

func voted(v *coin.Vote) history.Value {
	return history.Map(str("validator"), str(v.Validator), str("height"), number64(v.TargetHeight), str("round"), history.Int(0),
		str("step"), str("checkpoint"), str("block"), name(v.Target))
}

// stamper does the operations of the workload notary. The document is a number,
// and the text that is stamped names it.
type stamper struct {
	wallet
	*judge
}

// Invoke does one operation.
func (c *stamper) Invoke(env client.Env, op history.Op) history.Op {
	doc, ok := op.Value.Int()
	if !ok || doc < 0 {
		return client.Fail(op, "bad-request: a document is a number")
	}
	switch op.F {
	case "stamp":
		t := coin.Transfer{ID: uint64(doc), From: coin.Notary, To: coin.Notary, Nonce: uint64(doc), Memo: text(uint64(doc))}
		op = c.submit(env, op, &t)
		if op.Type == history.OK {
			op.Value = history.Nil // it was taken; a proof will show where it is
		}
		return op
	case "proof":
		return c.prove(env, op, uint64(doc))
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
}

// text is what is stamped for a document.
func text(doc uint64) string { return "document " + strconv.FormatUint(doc, 10) }

// prove asks for the evidence that a document is in the chain for good, and looks
// at it. A node that has none cannot say that there is none as long as faults
// may keep it from knowing: only after recovery is that an answer. Evidence that
// proves nothing is one at any time.
func (c *stamper) prove(env client.Env, op history.Op, doc uint64) history.Op {
	answer, err := ask(env, coin.Request{Ask: coin.Proof, ID: doc})
	var no refused
	if errors.As(err, &no) && op.Final {
		return client.OK(op, history.Nil)
	}
	if err != nil {
		return ended(op, err, true)
	}
	e, err := coin.ParseEvidence(answer)
	if err == nil {
		err = c.proof(&e, doc, env.Nodes())
	}
	if err != nil {
		return client.OK(op, history.Map(str("false"), str(err.Error())))
	}
	return client.OK(op, history.Map(str("block"), name(e.Header.Hash()), str("height"), number64(e.Header.Height)))
}

func str(s string) history.Value      { return history.String(s) }
func number64(n uint64) history.Value { return history.Int(int64(n)) }
func name(h coin.Hash) history.Value  { return str(h.String()) }
