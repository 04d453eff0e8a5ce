package coin

import (
	"errors"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Ask is what a client asks of a node.
type Ask byte

// What clients ask. All but Submit change nothing.
const (
	Height   Ask = iota + 1 // how high the node's chain is
	Submit                  // take a transfer
	Status                  // what became of a transfer
	Balances                // what all accounts have
	Observe                 // the node's chain, from where another chain left it
	Proof                   // that a transfer is in the chain for good
)

// Request is what a client sends to a node.
type Request struct {
	Ask   Ask
	ID    uint64   // of Status and Proof: the transfer
	Tx    Transfer // of Submit
	Since Brief    // of Observe: the tip of a chain that the client knows, or zero
	Heard uint64   // of Observe: how many votes the client knows
	All   bool     // of Observe: with all transfers that expired
}

// Append appends the request.
func (r *Request) Append(b []byte) []byte {
	b = append(b, byte(r.Ask))
	switch r.Ask {
	case Submit:
		return r.Tx.AppendTo(b)
	case Status, Proof:
		return wire.AppendUvarints(b, r.ID)
	case Observe:
		all := byte(0)
		if r.All {
			all = 1
		}
		return wire.AppendUvarints(append(append(b, all), r.Since[:]...), r.Heard)
	default:
		return b
	}
}

var errAsk = errors.New("there is no such request: client and node are of different versions")

// ParseRequest reads a request.
func ParseRequest(b []byte) (r Request, err error) {
	d := wire.NewDecoder(b)
	r.Ask = Ask(d.Byte())
	switch r.Ask {
	case Submit:
		r.Tx = ReadTransfer(d)
	case Status, Proof:
		r.ID = d.Uvarint()
	case Observe:
		r.All = d.Byte() == 1
		for i := range r.Since {
			r.Since[i] = d.Byte()
		}
		r.Heard = d.Uvarint()
	case Height, Balances:
	default:
		return r, errAsk
	}
	return r, d.Done()
}

// Answer is what a node says of a request, first of all. What follows a Yes
// depends on the request.
type Answer byte

// The answers. Refused is for good: what was asked for did not happen, and will not.
const (
	Yes Answer = iota + 1
	Refused
)

// Refusal returns an answer that says why not.
func Refusal(why string) []byte { return wire.AppendString([]byte{byte(Refused)}, why) }

// Words of a node on a transfer.
const (
	Confirmed = "confirmed" // in the chain for good
	Pending   = "pending"   // in the chain, or waiting for it
	Expired   = "expired"   // it can never be in the chain any more
	Unknown   = "unknown"
)

// View is what a node takes for its chain.
type View struct {
	Tip, Final, Bound Hash     // Bound is the block that the node may not leave
	Base              []Header // that of the block below the first of Blocks, if there is one
	Blocks            []Told   // those that Since does not build on, each after its parent: up to the tip, Final and Bound
	Seal              []Vote   // those by which Final is final
	Votes             []Vote   // all that the node has counted but for the first Heard, and the last of its own
	Heard             uint64   // how many it has counted
	Expired           []uint64
}

// Told is a block with its name.
type Told struct {
	Name Hash
	*Block
}

// Append appends the view, as the answer to Observe.
func (v *View) Append(b []byte) []byte {
	b = append(b, byte(Yes))
	b = append(append(append(b, v.Tip[:]...), v.Final[:]...), v.Bound[:]...)
	b = wire.AppendUvarints(b, uint64(len(v.Expired)))
	b = wire.AppendUvarints(b, v.Expired...)
	b = appendHeaders(b, v.Base)
	b = wire.AppendUvarints(b, uint64(len(v.Blocks)))
	for _, t := range v.Blocks {
		b = t.Block.Append(append(b, t.Name[:]...))
	}
	return wire.AppendUvarints(appendVotes(appendVotes(b, v.Seal), v.Votes), v.Heard)
}

func appendHeaders(b []byte, headers []Header) []byte {
	b = wire.AppendUvarints(b, uint64(len(headers)))
	for i := range headers {
		b = headers[i].Append(b)
	}
	return b
}

func readHeaders(d *wire.Decoder) (headers []Header) {
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		headers = append(headers, readHeader(d))
	}
	return headers
}

func appendVotes(b []byte, votes []Vote) []byte {
	b = wire.AppendUvarints(b, uint64(len(votes)))
	for i := range votes {
		b = votes[i].Append(b)
	}
	return b
}

func readVotes(d *wire.Decoder) (votes []Vote) {
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		votes = append(votes, ReadVote(d))
	}
	return votes
}

// ParseView reads what follows the Yes of Observe.
func ParseView(b []byte) (v View, err error) {
	d := wire.NewDecoder(b)
	v = View{Tip: ReadHash(d), Final: ReadHash(d), Bound: ReadHash(d)}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		v.Expired = append(v.Expired, d.Uvarint())
	}
	v.Base = readHeaders(d)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		v.Blocks = append(v.Blocks, Told{ReadHash(d), ReadBlock(d)})
	}
	v.Seal, v.Votes, v.Heard = readVotes(d), readVotes(d), d.Uvarint()
	return v, d.Done()
}

// Purse is what an account has.
type Purse struct {
	Account string
	Money   int64
}

// AppendPurses appends what accounts have at a block, as the answer to Balances.
func AppendPurses(b []byte, tip Hash, purses []Purse) []byte {
	b = append(append(b, byte(Yes)), tip[:]...)
	b = wire.AppendUvarints(b, uint64(len(purses)))
	for _, p := range purses {
		b = wire.AppendUvarints(wire.AppendString(b, p.Account), uint64(p.Money))
	}
	return b
}

// ParsePurses reads what follows the Yes of Balances.
func ParsePurses(b []byte) (tip Hash, purses []Purse, err error) {
	d := wire.NewDecoder(b)
	tip = ReadHash(d)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		purses = append(purses, Purse{d.String(), int64(d.Uvarint())})
	}
	return tip, purses, d.Done()
}

// Evidence shows that a transfer is in a block, and that the block is final: it is
// all that somebody needs who knows the validators.
type Evidence struct {
	Header Header
	Tx     Transfer
	Path   Path
	Above  []Header // those of the blocks from the one above it up to a final one, the lowest first
	Seal   []Vote   // those by which that one is final
}

// Append appends the evidence, as the answer to Proof.
func (e *Evidence) Append(b []byte) []byte {
	b = e.Tx.AppendTo(e.Header.Append(append(b, byte(Yes))))
	b = wire.AppendUvarints(b, uint64(len(e.Path)))
	for _, s := range e.Path {
		side := byte(0)
		if s.Left {
			side = 1
		}
		b = append(append(b, side), s.Sibling[:]...)
	}
	return appendVotes(appendHeaders(b, e.Above), e.Seal)
}

// ParseEvidence reads what follows the Yes of Proof. It is an error if the
// evidence does not lead from the transfer to the block.
func ParseEvidence(b []byte) (e Evidence, err error) {
	d := wire.NewDecoder(b)
	e.Header, e.Tx = readHeader(d), ReadTransfer(d)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		e.Path = append(e.Path, Step{d.Byte() == 1, ReadHash(d)})
	}
	e.Above, e.Seal = readHeaders(d), readVotes(d)
	if err := d.Done(); err != nil {
		return e, err
	}
	if e.Path.Root(e.Tx.Hash()) != e.Header.Root || !e.Header.Hash().Proven(e.Header.Work) {
		return e, errEvidence
	}
	return e, nil
}

var errEvidence = errors.New("the proof does not lead to the block that it names")
