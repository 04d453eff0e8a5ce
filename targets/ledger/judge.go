package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/internal/signature"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
	"github.com/ordeal-dev/ordeal/targets/ledger/pow"
)

// judge looks at what nodes show as a client does that believes none of them: is
// a block what its name stands for, does it follow the one below it, and have more
// than two thirds of the validators voted for what is said to be final? What blocks
// do to accounts is for a checker, which knows all of them. It does without the
// code by which nodes judge each other wherever there is another way, or both would
// be wrong together.
type judge struct {
	rules   pow.Config
	genesis coin.Hash
	wallet  *wallet
}

func newJudge(rules pow.Config) *judge {
	return &judge{rules: rules, genesis: pow.Genesis(&rules).Hash(), wallet: &wallet{}}
}

// chain says what is wrong with a chain, or with votes, by themselves.
func (j *judge) chain(v *coin.View, nodes int) error {
	headers := make(map[coin.Hash]*coin.Header, len(v.Blocks)+1)
	for i := range v.Base {
		headers[v.Base[i].Hash()] = &v.Base[i]
	}
	for _, t := range v.Blocks {
		if err := j.block(t, headers[t.Parent]); err != nil {
			return fmt.Errorf("block %s has %w", t.Name, err)
		}
		headers[t.Name] = &t.Header
	}
	for i := range v.Votes {
		if !j.voted(&v.Votes[i], nodes) {
			return fmt.Errorf("a vote of %s is not signed by a validator of that name", v.Votes[i].Validator)
		}
	}
	return nil
}

// What is wrong with a block.
var (
	errName   = errors.New("another name than its header stands for")
	errWork   = errors.New("a name that does not show its work")
	errRoot   = errors.New("transfers that its header does not stand for")
	errFollow = errors.New("a height, time or work that does not follow that of the block below")
	errLate   = errors.New("a transfer that had expired")
	errMoney  = errors.New("more money than there can be")
	errSign   = errors.New("a transfer that its account did not sign")
)

// most is more than all money that a ledger makes.
const most = 1 << 40

// block says what is wrong with a block on top of another one, which may be nil if
// nothing is known of it.
func (j *judge) block(t coin.Told, below *coin.Header) error {
	switch {
	case sha256.Sum256(t.Header.Append(nil)) != t.Name:
		return errName
	case t.Name == j.genesis:
		return nil
	case t.Work == 0 || binary.BigEndian.Uint64(t.Name[:]) > math.MaxUint64/t.Work:
		return errWork
	case root(t.Txs) != t.Root:
		return errRoot
	case below != nil && !pow.Follows(&t.Header, below, j.rules.Interval):
		return errFollow
	case t.Pay > most:
		return errMoney
	}
	for i := range t.Txs {
		switch tx := &t.Txs[i]; {
		case tx.Until < t.Height:
			return errLate
		case tx.Amount > most || tx.Fee > most:
			return errMoney
		case tx.From == "" || !tx.Signed(j.wallet.public(tx.From)):
			return errSign
		}
	}
	return nil
}

// root returns the root of the Merkle tree over transfers, by its definition: the
// left part of a tree is as large as a power of two can be, if something is left for
// the right one.
func root(txs []coin.Transfer) coin.Hash {
	switch len(txs) {
	case 0:
		return coin.Hash{}
	case 1:
		return sha256.Sum256(txs[0].AppendTo([]byte{0}))
	}
	half := 1
	for 2*half < len(txs) {
		half *= 2
	}
	left, right := root(txs[:half]), root(txs[half:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func (j *judge) voted(v *coin.Vote, nodes int) bool {
	for i := 1; i <= nodes; i++ {
		if v.Validator == fmt.Sprint("n", i) {
			return signature.Verify(j.wallet.public(v.Validator), words(v), v.Sig)
		}
	}
	return false
}

// words is what a validator signs: all that its vote says.
func words(v *coin.Vote) []byte {
	b := slices.Concat(wire.AppendString(nil, v.Validator), v.Source[:], v.Target[:])
	return wire.AppendUvarints(b, v.SourceHeight, v.TargetHeight)
}

// final says why votes do not show that a block is final: it takes those of more
// than two thirds of all nodes, from that block to the next checkpoint.
func (j *judge) final(name coin.Hash, seal []coin.Vote, nodes int) error {
	if !j.rules.Quorum || name == j.genesis {
		return nil
	}
	voters := make(map[string]bool)
	for i := range seal {
		v := &seal[i]
		if v.Source != name || v.Target != seal[0].Target || v.TargetHeight != v.SourceHeight+pow.Epoch || !j.voted(v, nodes) {
			return fmt.Errorf("a vote of %s does not make block %s final", v.Validator, name)
		}
		voters[v.Validator] = true
	}
	if 3*len(voters) <= 2*nodes {
		return fmt.Errorf("%d of %d nodes have voted for block %s to be final, which takes more than two thirds", len(voters), nodes, name)
	}
	return nil
}

// proof says what is wrong with the evidence for a document, whose path leads to its
// block: that has to be final, or one that builds on it.
func (j *judge) proof(e *coin.Evidence, doc uint64, nodes int) error {
	if e.Tx.ID != doc || e.Tx.From != coin.Notary || e.Tx.Memo != text(doc) {
		return errors.New("a proof of another document")
	}
	if !e.Tx.Signed(j.wallet.public(coin.Notary)) {
		return errSign
	}
	top := e.Header
	for i := range e.Above {
		if above := &e.Above[i]; above.Parent != top.Hash() || !pow.Follows(above, &top, j.rules.Interval) {
			return errFollow
		}
		top = e.Above[i]
	}
	return j.final(top.Hash(), e.Seal, nodes)
}
