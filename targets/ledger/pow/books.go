package pow

import (
	"errors"
	"slices"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// books are the accounts at one block, and the transfers of its chain.
type books struct {
	cfg   *Config
	money map[string]int64
	used  map[spend]bool    // what was spent
	at    map[uint64]*block // where a transfer is, by its id; nil in a block in the making
}

// spend is what can be done once.
type spend struct {
	account string
	nonce   uint64
}

func newBooks(cfg *Config) *books {
	return &books{cfg: cfg, money: map[string]int64{}, used: map[spend]bool{}, at: map[uint64]*block{}}
}

// Why a block does not fit the books.
var (
	errLate  = errors.New("a transfer that had expired")
	errUsed  = errors.New("a transfer that was made before")
	errNonce = errors.New("a nonce that was used before")
	errMoney = errors.New("more money than the account has")
	errPay   = errors.New("more pay than the reward and the fees")
)

// connect does a block whose parent the books stand at, all of it or nothing.
func (k *books) connect(b *block) error {
	fees := uint64(0)
	for i := range b.Txs {
		if err := k.do(&b.Txs[i], b.Height, b); err != nil {
			k.undo(b.Txs[:i])
			return err
		}
		fees += b.Txs[i].Fee
	}
	if b.parent != nil && b.Pay > k.cfg.Reward+fees && !k.cfg.has(AnyPay) {
		k.undo(b.Txs)
		return errPay
	}
	k.money[b.Miner] += int64(b.Pay)
	return nil
}

// disconnect takes back the block that the books stand at.
func (k *books) disconnect(b *block) {
	if !k.cfg.has(KeepBalances) {
		k.money[b.Miner] -= int64(b.Pay)
	}
	k.undo(b.Txs)
}

// do does a transfer, or says why it does not fit. Transfers from nobody are
// those of the genesis block.
func (k *books) do(t *coin.Transfer, height uint64, b *block) error {
	_, made := k.at[t.ID]
	switch {
	case t.From == "":
		k.money[t.To] += int64(t.Amount)
		return nil
	case t.Until < height:
		return errLate
	case made && !k.cfg.has(SpendTwice):
		return errUsed
	case k.used[spend{t.From, t.Nonce}] && !k.cfg.has(SpendTwice):
		return errNonce
	case k.money[t.From] < int64(t.Amount+t.Fee) && !k.cfg.has(Overdraft):
		return errMoney
	}
	k.used[spend{t.From, t.Nonce}] = true
	k.at[t.ID] = b
	k.money[t.From] -= int64(t.Amount + t.Fee)
	k.money[t.To] += int64(t.Amount)
	return nil
}

func (k *books) undo(txs []coin.Transfer) {
	for i := range slices.Backward(txs) {
		t := &txs[i]
		delete(k.used, spend{t.From, t.Nonce})
		delete(k.at, t.ID)
		k.money[t.From] += int64(t.Amount + t.Fee)
		k.money[t.To] -= int64(t.Amount)
	}
}

// choose returns the transfers, among those given, that fit into a block at a
// height, one after the other.
func (k *books) choose(from []*coin.Transfer, height uint64) (txs []coin.Transfer, fees uint64) {
	for _, t := range from {
		if len(txs) == maxTxs {
			break
		}
		if k.do(t, height, nil) == nil {
			txs = append(txs, *t)
			fees += t.Fee
		}
	}
	k.undo(txs)
	return txs, fees
}

// maxTxs is how many transfers a block may have.
const maxTxs = 500

// purses returns all accounts with money, by name.
func (k *books) purses() []coin.Purse {
	var list []coin.Purse
	for account, money := range k.money {
		if money != 0 {
			list = append(list, coin.Purse{Account: account, Money: money})
		}
	}
	slices.SortFunc(list, func(a, b coin.Purse) int {
		if a.Account < b.Account {
			return -1
		}
		return 1
	})
	return list
}
