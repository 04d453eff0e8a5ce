// Package coin is the language of the ledger: what its nodes and its clients say
// to each other, byte for byte, and what can be told from it without a node.
//
// A [Transfer] moves money from one account to another and is signed by the
// account that pays. It names an account, not a key: the key of an account
// follows from its name, so that a test needs no key management and anybody
// can check a signature. (That anybody could sign as well is the price; who
// attacks the ledger in a test does so on purpose.) A nonce makes each transfer
// of an account different from all others, and may be used once: of two transfers
// of one account with one nonce at most one can ever be in a chain. That is what
// keeps money from being spent twice.
//
// A [Block] is a [Header] and the transfers that the root of a Merkle tree in the
// header stands for. The hash of the header is the name of the block, and it has
// to be small: on average [Header.Work] tries are needed to find a nonce that makes
// it so. Headers name the block that they build on, so that a hash stands for a
// whole history.
//
// A [Vote] is a word of a validator on two blocks of one chain; package pow says
// what votes are for.
package coin

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/internal/signature"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Hash is a SHA-256 hash: the name of a block or of a transfer.
type Hash [sha256.Size]byte

// Brief is the beginning of a hash, by which people and histories know a block.
type Brief [8]byte

// Brief returns the beginning of the hash.
func (h Hash) Brief() Brief { return Brief(h[:8]) }

// String returns the brief name.
func (h Hash) String() string { return hex.EncodeToString(h[:8]) }

// ParseBrief reads a brief name: the zero one for what is none.
func ParseBrief(s string) (b Brief) {
	if raw, err := hex.DecodeString(s); err == nil && len(raw) == len(b) {
		copy(b[:], raw)
	}
	return b
}

// Transfer moves money, or has a text stamped where From is [Notary].
type Transfer struct {
	ID       uint64 // by which clients ask for it
	From, To string
	Amount   uint64
	Fee      uint64 // goes to whoever mines the block
	Nonce    uint64 // From uses each once
	Until    uint64 // the height of the last block that may have it
	Memo     string
	Sig      []byte
}

// Notary is the account that stamps texts: it has no money and moves none.
const Notary = "notary"

// Key returns the private key of an account, or of a validator.
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("ordeal ledger " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// appendBody appends what is signed.
func (t *Transfer) appendBody(b []byte) []byte {
	b = wire.AppendUvarints(b, t.ID, t.Amount, t.Fee, t.Nonce, t.Until)
	return wire.AppendString(wire.AppendString(wire.AppendString(b, t.From), t.To), t.Memo)
}

// AppendTo appends the transfer.
func (t *Transfer) AppendTo(b []byte) []byte { return wire.AppendBytes(t.appendBody(b), t.Sig) }

// Sign signs the transfer with a key.
func (t *Transfer) Sign(key ed25519.PrivateKey) { t.Sig = ed25519.Sign(key, t.appendBody(nil)) }

// Signed reports whether the transfer was signed with the key that belongs to key.
func (t *Transfer) Signed(key ed25519.PublicKey) bool {
	return signature.Verify(key, t.appendBody(make([]byte, 0, 128)), t.Sig)
}

// Hash returns the name of the transfer, which covers its signature.
func (t *Transfer) Hash() Hash {
	return sha256.Sum256(t.AppendTo(append(make([]byte, 0, 256), leafTag)))
}

// ReadTransfer takes a transfer.
func ReadTransfer(d *wire.Decoder) Transfer {
	return Transfer{
		ID: d.Uvarint(), Amount: d.Uvarint(), Fee: d.Uvarint(), Nonce: d.Uvarint(), Until: d.Uvarint(),
		From: d.String(), To: d.String(), Memo: d.String(), Sig: d.Bytes(),
	}
}

// ErrMoney says that a transfer moves more than there can be.
var ErrMoney = errors.New("more money than there can be")

// maxMoney keeps sums of money far from where integers end.
const maxMoney = 1 << 40

// Sane sees that no sum of the transfer's amounts can go wrong.
func (t *Transfer) Sane() error {
	if t.Amount > maxMoney || t.Fee > maxMoney {
		return ErrMoney
	}
	return nil
}

// Header is what the hash of a block covers.
type Header struct {
	Parent, Root Hash
	Height       uint64
	Time         int64  // nanoseconds since 1970, as the chain has it
	Work         uint64 // how many tries it takes on average
	Miner        string // the account that is paid
	Pay          uint64 // how much: the reward and the fees
	Nonce        uint64
}

// Append appends the header; the nonce comes last.
func (h *Header) Append(b []byte) []byte {
	b = append(append(b, h.Parent[:]...), h.Root[:]...)
	b = wire.AppendUvarints(b, h.Height, uint64(h.Time), h.Work, h.Pay)
	return binary.LittleEndian.AppendUint64(wire.AppendString(b, h.Miner), h.Nonce)
}

// Hash returns the name of the block.
func (h *Header) Hash() Hash { return sha256.Sum256(h.Append(make([]byte, 0, 128))) }

// ReadHash takes a hash.
func ReadHash(d *wire.Decoder) (h Hash) {
	for i := 0; i < len(h); i += 8 {
		binary.LittleEndian.PutUint64(h[i:], d.Uint64())
	}
	return h
}

func readHeader(d *wire.Decoder) Header {
	return Header{
		Parent: ReadHash(d), Root: ReadHash(d), Height: d.Uvarint(), Time: int64(d.Uvarint()), Work: d.Uvarint(), Pay: d.Uvarint(),
		Miner: d.String(), Nonce: d.Uint64(),
	}
}

// Proven reports whether a block of that name shows so much work.
func (h Hash) Proven(work uint64) bool {
	return work > 0 && binary.BigEndian.Uint64(h[:]) <= math.MaxUint64/work
}

// Mine tries up to a number of nonces, from that of the header on, and reports
// whether one of them proves the work of the header.
func (h *Header) Mine(tries int) bool {
	b := h.Append(make([]byte, 0, 128))
	for range tries {
		binary.LittleEndian.PutUint64(b[len(b)-8:], h.Nonce)
		if Hash(sha256.Sum256(b)).Proven(h.Work) {
			return true
		}
		h.Nonce++
	}
	return false
}

// Block is a header and the transfers that its root stands for. A block does not
// change once its names have been asked for.
type Block struct {
	Header
	Txs   []Transfer
	names []Hash
}

// Names returns the names of the transfers.
func (b *Block) Names() []Hash {
	if b.names == nil {
		b.names = names(b.Txs)
	}
	return b.names
}

// Sealed reports whether the root in the header stands for the transfers.
func (b *Block) Sealed() bool { return b.Root == rootOf(slices.Clone(b.Names())) }

// Evidence returns what shows that the transfer with the given number is in the block.
func (b *Block) Evidence(i int) Evidence {
	return Evidence{Header: b.Header, Tx: b.Txs[i], Path: pathOf(slices.Clone(b.Names()), i)}
}

// Append appends the block.
func (b *Block) Append(to []byte) []byte {
	to = wire.AppendUvarints(b.Header.Append(to), uint64(len(b.Txs)))
	for i := range b.Txs {
		to = b.Txs[i].AppendTo(to)
	}
	return to
}

// ReadBlock takes a block.
func ReadBlock(d *wire.Decoder) *Block {
	b := &Block{Header: readHeader(d)}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		b.Txs = append(b.Txs, ReadTransfer(d))
	}
	return b
}

// Vote is a word of a validator: that Target is on the chain that has Source.
type Vote struct {
	Validator                  string
	Source, Target             Hash
	SourceHeight, TargetHeight uint64
	Sig                        []byte
}

func (v *Vote) appendBody(b []byte) []byte {
	b = append(append(wire.AppendString(b, v.Validator), v.Source[:]...), v.Target[:]...)
	return wire.AppendUvarints(b, v.SourceHeight, v.TargetHeight)
}

// Append appends the vote.
func (v *Vote) Append(b []byte) []byte { return wire.AppendBytes(v.appendBody(b), v.Sig) }

// Sign signs the vote with a key.
func (v *Vote) Sign(key ed25519.PrivateKey) { v.Sig = ed25519.Sign(key, v.appendBody(nil)) }

// Signed reports whether the vote was signed with the key that belongs to key.
func (v *Vote) Signed(key ed25519.PublicKey) bool {
	return signature.Verify(key, v.appendBody(make([]byte, 0, 128)), v.Sig)
}

// Name returns a hash that no other vote has.
func (v *Vote) Name() Hash { return sha256.Sum256(v.appendBody(make([]byte, 0, 128))) }

// ReadVote takes a vote.
func ReadVote(d *wire.Decoder) Vote {
	return Vote{
		Validator: d.String(), Source: ReadHash(d), Target: ReadHash(d), SourceHeight: d.Uvarint(), TargetHeight: d.Uvarint(), Sig: d.Bytes(),
	}
}
