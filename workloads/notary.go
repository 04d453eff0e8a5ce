package workloads

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/ledger"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// stamps generates documents to be stamped, and questions for the proofs of those
// that were taken a while ago.
type stamps struct {
	source choice.Source
	n      uint64 // operations so far
	made   int64  // documents so far
}

func newStamps(p Params) gen.Gen { return &stamps{source: p.Choices} }

// ripe is how many documents a proof is behind the last stamp: by then it is
// final, when the nodes can talk.
const ripe = 200

// Next returns the stamp of the next document, or the proof of an old one.
func (g *stamps) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	next.n++
	draw := g.source.Stream("notary", g.n)
	op := history.Op{F: choice.Weigh(draw, []choice.Weighted{{Name: "stamp", Weight: 50}, {Name: "proof", Weight: 50}})}
	if op.F == "proof" && g.made <= ripe {
		op.F = "stamp"
	}
	if op.F == "stamp" {
		next.made++
		op.Value = history.Int(next.made)
	} else {
		op.Value = history.Int(1 + draw.Int64N(g.made-ripe))
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &next
}

// Update changes nothing: what to stamp does not depend on what happened.
func (g *stamps) Update(*gen.Context, *history.Op) gen.Gen { return g }

// finalProofs has a client of every node ask for the proofs of a few of all
// documents, when all had the time to get into the chain.
func finalProofs(Params) gen.Gen {
	var proofs []history.Op
	for i := range int64(80) {
		proofs = append(proofs, history.Op{F: "proof", Value: history.Int(1 + 25*i)})
	}
	return gen.OnClients(gen.Phases(gen.Sleep(inclusion), gen.EachNode(gen.Ops(proofs...))))
}

// Notary is texts that are stamped into a ledger, and the proofs of it.
func Notary() Workload {
	return Workload{
		Name:      ledger.NotaryName,
		Doc:       "documents that are stamped into a ledger: what was stamped stays stamped, where it was stamped",
		Level:     existence,
		Levels:    []string{existence, Eventual},
		Alias:     notaryLevel,
		Fs:        []string{"stamp", "proof"},
		Generator: newStamps,
		Final:     finalProofs,
		Checkers: func(level string, _ Options) []checkers.Checker {
			if level == Eventual {
				return nil
			}
			return []checkers.Checker{ledger.NewNotary()}
		},
		Recovered: func(string, Options) []checkers.Checker { return []checkers.Checker{converge.New(converge.Options{})} },
	}
}

// notaryLevel says what a ledger that promises finality promises a notary.
func notaryLevel(name string) (string, error) {
	if name == finality {
		return existence, nil
	}
	return "", fmt.Errorf("level %q has no other name", name)
}
