// Package ledger judges chains of blocks by what clients saw of them through the
// nodes: is what was final or deep enough still there, was nothing spent twice,
// and does the money add up?
//
// # Operations
//
//	observe   => {"tip": B, "finalized": B, "bound": B, "blocks": [BLOCK…], "votes": [VOTE…], "expired": [T…]}
//	transfer  {"id": T, "from": A, "to": A, "amount": 5, "nonce": 1}      ok: the node accepted it
//	status    T  => "confirmed", "pending", "unknown", "expired" or "rejected"
//	balances  => {"tip": B, "accounts": {A: 5, …}}                         all accounts with money
//
//	BLOCK  {"id": B, "parent": B, "height": 7, "miner": M, "work": 64, "txs": [{"id": T, "from": A, "to": A, "amount": 5, "fee": 1, "nonce": 1}…]}
//	VOTE   {"validator": V, "height": 7, "round": 0, "step": "precommit", "block": B}
//
// An observation is what a node takes for its chain. Blocks have to be described
// once in the history, by any honest node and at any time; one without a parent
// is a genesis block, whose transfers make the first money. An observation is
// unknown if a block of its chain was never described. A transfer without "from" makes
// money; a fee destroys it, and the block may make it again. "finalized",
// "blocks", "votes", "miner", "fee" and "nonce" can be left out, and "work" where
// chains are not chosen by it, "bound" where the choice is free, and "expired",
// which says the same as the status of each of these transfers. A client that looks
// at what it is shown, as at signatures, says in "false" what is wrong with it, in
// any of these answers, and in "unproven" why the "finalized" block is not final by what
// was shown for it. What the nodes
// say that are Byzantine is no evidence and is ignored: those that the options
// name, and those of fault windows whose kind begins with "byzantine".
//
// A block has as many confirmations as there are blocks from it to the tip, both
// counted. It is confirmed if it has as many as the ledger promises, see Options.
//
// # Rules
//
//	finality-fork       two honest nodes have finalized blocks of which neither builds on the other
//	finality-reversal   a block was finalized, and a later tip does not build on it (but where finality stands still, see below)
//	stalled-finality    an observation of the final phase has no higher final block than one through the same node
//	                    before that phase, although the time Inclusion has passed since (only if that is set)
//	confirmed-fork      two blocks were confirmed of which neither builds on the other
//	deep-reorg          a block was confirmed, and is not on a later chain: that of the same node, of the
//	                    final phase, or of any node when it had the time Delta to learn of it
//	                    (common prefix: Garay, Kiayias and Leonardos, 2015)
//	lighter-chain       a node has left a chain for one with less work, although no block that it is bound to
//	                    made it do so (only if blocks have their work)
//	double-spend        one chain has two transfers of the same account and nonce
//	duplicate-transfer  one chain has the same transfer twice
//	negative-balance    an account on a chain spends more than it has
//	inflation           a block makes more money than it may
//	conservation        balances do not add up to the money that was made
//	wrong-balance       a balance is not what the chain says
//	lost-transfer       accepted, never said to be expired or rejected, and not on a chain of the final phase,
//	                    although its time is over
//	vanished-transfer   said to be confirmed, and later, through the same node or in the final phase, not,
//	                    or not on a chain of the final phase (but where finality stands still, see below)
//	status-flip         said to be expired or rejected, and confirmed later; or an observation lists it as expired, and
//	                    has it on its chain
//	early-status        said to be confirmed, and by a later observation through the same node neither in a final
//	                    block nor in a confirmed one; or said to be expired, and that observation's final block is
//	                    below the height until which it is good by the one who accepted it
//	false-finality      a node takes a block for final, and what it has shown for that does not make it final, by the
//	                    client that looked at it
//	false-proof         what else a node has shown is not what it should be, by the client that looked at it
//	aborted-transfer    every submission of it was refused, and it is on a chain
//	altered-transfer    it is on a chain with another content than was submitted
//	phantom-transfer    it is on a chain and nobody submitted it (only if Closed)
//	invalid-block       the height of a block on a chain is not that of its parent plus one
//	inconsistent-block  two honest nodes describe one block differently
//	double-sign         an honest validator voted for two blocks in one step
//
// A node with stalled-finality has not learned what became final elsewhere. That is
// what is wrong with it, and nothing was taken back: it is no finality-reversal if its
// chain of the final phase lacks a block that another node had finalized, as long as the
// final blocks that it names are on the chain of that one and on its own; and no
// vanished-transfer if it says "pending", or its chain lacks the transfer, after another
// node said "confirmed", as long as no final block that it ever named has the transfer, and
// some chain of the final phase does that builds on those by which it stands still.
//
// Reorganisations, growth and the share of Byzantine blocks are measured and
// are in the details; they break no rule by themselves.
//
// The blocks form a tree with jump pointers (Myers, 1983), which answer "which
// ancestor of this block has that height" in O(log n), so every observation
// costs O(log n) and every transfer O(log n) too.
//
// The function [NewNotary] returns a checker of proofs of existence.
package ledger

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "ledger"

// Names of the anomalies.
const (
	FinalityFork      = "finality-fork"
	FinalityReversal  = "finality-reversal"
	FalseFinality     = "false-finality"
	StalledFinality   = "stalled-finality"
	ConfirmedFork     = "confirmed-fork"
	DeepReorg         = "deep-reorg"
	LighterChain      = "lighter-chain"
	DoubleSpend       = "double-spend"
	DuplicateTransfer = "duplicate-transfer"
	NegativeBalance   = "negative-balance"
	Inflation         = "inflation"
	Conservation      = "conservation"
	WrongBalance      = "wrong-balance"
	LostTransfer      = "lost-transfer"
	VanishedTransfer  = "vanished-transfer"
	StatusFlip        = "status-flip"
	EarlyStatus       = "early-status"
	AbortedTransfer   = "aborted-transfer"
	AlteredTransfer   = "altered-transfer"
	PhantomTransfer   = "phantom-transfer"
	InvalidBlock      = "invalid-block"
	InconsistentBlock = "inconsistent-block"
	DoubleSign        = "double-sign"
)

// Anomalies returns the names of all anomalies, the gravest first.
func Anomalies() []string {
	return []string{
		FinalityFork, FinalityReversal, FalseFinality, StalledFinality, ConfirmedFork, DeepReorg, LighterChain, DoubleSpend, DuplicateTransfer, NegativeBalance, Inflation,
		Conservation, WrongBalance, VanishedTransfer, LostTransfer, StatusFlip, EarlyStatus, AbortedTransfer, AlteredTransfer, PhantomTransfer,
		FalseProof, InvalidBlock, InconsistentBlock, DoubleSign,
	}
}

// DefaultDepth is after how many confirmations a block is taken to be there for
// good, as the users of Bitcoin do.
const DefaultDepth = 6

// Options say what the ledger promises.
type Options struct {
	// Depth is how many confirmations a block needs to stay; 0 is DefaultDepth,
	// and a negative one says that no number of confirmations is enough.
	Depth int
	// Delta is after what time every honest node must have learned of a confirmed
	// block. 0 says that only the node that had it and the final phase count.
	Delta time.Duration
	// Inclusion is how long an accepted transfer may take to be on the chain of
	// an observation of the final phase. If its node has said until which height
	// the transfer is good, that has to be final, too, on the chain of that node.
	Inclusion time.Duration
	// Reward is how much money a block may make, fees not counted.
	Reward int64
	// Closed says that clients submit every transfer that there is.
	Closed bool
	// Provisional says that nothing that a node says is for good: what is final,
	// deep or confirmed may be taken back, and so may be that it expired.
	Provisional bool
	// Byzantine names nodes, miners and validators that may lie.
	Byzantine []string
}

func (o Options) filled(h *history.History) Options {
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	o.Byzantine = slices.Concat(o.Byzantine, h.Byzantine())
	slices.Sort(o.Byzantine)
	o.Byzantine = slices.Compact(o.Byzantine)
	return o
}

// parameters are the options as certificates write them.
func (o Options) parameters() map[string]string {
	return map[string]string{
		"depth": strconv.Itoa(o.Depth), "delta": o.Delta.String(), "inclusion": o.Inclusion.String(),
		"reward": strconv.FormatInt(o.Reward, 10), "closed": strconv.FormatBool(o.Closed),
		"provisional": strconv.FormatBool(o.Provisional), "byzantine": strings.Join(o.Byzantine, ","),
	}
}

// Report is what was seen of a ledger.
type Report struct {
	Observations int `json:"observations"` // of honest nodes
	Ignored      int `json:"ignored"`      // answers of Byzantine nodes

	// Observations and balances whose blocks were not all described. With one of
	// the former, nothing is ok.
	Loose         int `json:"loose-observations"`
	LooseBalances int `json:"loose-balances"`

	Blocks   int                   `json:"blocks"`   // that honest nodes described
	Adopted  int                   `json:"adopted"`  // of these, on the chain of some honest node at some time
	Tips     int                   `json:"tips"`     // adopted blocks that no adopted block builds on: 1 if there were no forks
	Accepted int                   `json:"accepted"` // transfers
	Included int                   `json:"included"` // of these, on an adopted chain
	Quality  float64               `json:"quality"`  // share of the longest chain that no Byzantine miner made
	Nodes    map[string]NodeReport `json:"nodes"`
	Broken   map[string]int        `json:"broken"` // how often each rule was

	judged int
	book   rules.Book
}

// NodeReport is what was seen of one node.
type NodeReport struct {
	Observations int     `json:"observations"`
	Reorgs       int     `json:"reorgs"`        // times that it left blocks
	DeepestReorg int     `json:"deepest-reorg"` // blocks that it left at once
	Growth       float64 `json:"growth"`        // blocks per second between its first and its last observation
}

// New returns a checker of ledgers.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result(opts.filled(h))
	})
}

func (r *Report) result(opts Options) checkers.Result {
	switch {
	case r.Loose > 0 && !r.book.Broken():
		return checkers.Unknownf("%d of %d observations name a tip or a final block whose chain nobody described as far as a genesis block: list all blocks that the client did not have yet; nothing is wrong in the rest",
			r.Loose, r.Observations).Detail(r)
	case r.judged == 0 && !r.book.Broken():
		return checkers.Unknownf("no honest node was asked for its chain, a status or balances with success: there is nothing to judge").Detail(r)
	default:
		return r.book.Result(Anomalies(), Name, opts.parameters(), nil).Detail(r)
	}
}

// Check judges the observations and transfers of h. It is an error if they do not
// have the form that the package says, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (*Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	l := &ledger{ctx: ctx, opts: opts.filled(h), clock: checkers.ClockOf(calls), report: &Report{Nodes: map[string]NodeReport{}}}
	for _, step := range []func() error{
		func() error { return l.decode(calls) }, l.plant, l.adopt, l.stalled, l.settled, l.weighed, l.replay, l.submissions, l.statuses, l.votes, l.measure,
	} {
		if err := step(); err != nil {
			return nil, err
		}
		if err := context.Cause(ctx); err != nil {
			return nil, l.stopped(err)
		}
	}
	l.report.Broken = l.report.book.Counts()
	return l.report, nil
}
