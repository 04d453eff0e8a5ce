package main

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/checkers/txn"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judged is a history with the checks that are measured on it. Histories are the
// same in every run.
type judged struct {
	what   string
	make   func(rng *rand.Rand) *history.History
	checks []check
}

// check is one way to judge a history.
type check struct {
	what string // if there are several
	goal string
	with func() checkers.Checker
	args string // for `ordeal check`; without, this program reads the file itself
}

const million = 1_000_000

var judgedHistories = []judged{
	{
		"register and compare-and-set, 1,000,000 operations of 50 clients, 1,000 crashed",
		func(rng *rand.Rand) *history.History { return play(rng, million, 50, 1000, newRegister(rng, 50)) },
		[]check{{goal: "goal: under 1", args: "--model cas-register", with: func() checkers.Checker {
			return linear.New(linear.Options{Model: linear.CASRegister()})
		}}},
	},
	{
		"FIFO queue, linearizable, 1,000,000 operations of 50 clients, 1,000 crashed enqueues or dequeues",
		func(rng *rand.Rand) *history.History { return play(rng, million, 50, 1000, &fifo{rng: rng}) },
		[]check{{goal: "goal: under 1", args: "--model fifo-queue", with: func() checkers.Checker {
			return linear.New(linear.Options{Model: linear.FIFOQueue()})
		}}},
	},
	{
		"list-append, strict serializable, 1,000,000 transactions of 20 clients",
		func(rng *rand.Rand) *history.History {
			return play(rng, million, 20, 0, newDatabase(rng, "list-append"))
		},
		[]check{{goal: "goal: under 4; Elle: 1.9 to 3.4 for 100,000", args: "--workload list-append", with: func() checkers.Checker {
			return txn.New(txn.Options{Workload: txn.ListAppend})
		}}},
	},
	{
		"linked register, strict serializable, 1,000,000 transactions of 20 clients",
		func(rng *rand.Rand) *history.History {
			return play(rng, million, 20, 0, newDatabase(rng, "linked-register"))
		},
		[]check{{goal: "goal: as list-append", args: "--workload linked-register", with: func() checkers.Checker {
			return txn.New(txn.Options{Workload: txn.LinkedRegister})
		}}},
	},
	{
		"registers, strict serializable, linearizable keys, 100,000 transactions of 20 clients",
		func(rng *rand.Rand) *history.History {
			return play(rng, million/10, 20, 0, newDatabase(rng, "rw-register"))
		},
		[]check{{goal: "goal: under 1; Elle: 91", args: "--workload rw-register --opt linearizable-keys=true", with: func() checkers.Checker {
			return txn.New(txn.Options{Workload: txn.RWRegister, LinearizableKeys: true})
		}}},
	},
	{
		"registers, weak levels, 1,000,000 transactions of 20 clients",
		func(rng *rand.Rand) *history.History {
			return play(rng, million, 20, 0, newDatabase(rng, "rw-register"))
		},
		[]check{weakly("read committed", weak.ReadCommitted), weakly("read atomic", weak.ReadAtomic), weakly("causal", weak.Causal)},
	},
}

func weakly(what string, level weak.Level) check {
	return check{what: what, with: func() checkers.Checker { return weak.New(weak.Options{Level: level}) }}
}
