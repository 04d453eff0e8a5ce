package workloads

import (
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/ledger"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// transferKinds are the operations on a ledger and how often they are done.
var transferKinds = []choice.Weighted{{Name: "transfer", Weight: 20}, {Name: "status", Weight: 45}, {Name: "observe", Weight: 20}, {Name: "balances", Weight: 15}}

// transfers generates transfers between accounts that have money from the
// beginning, questions about them, and observations of the chain. Each transfer
// has an id of its own, and mostly a nonce of its own: now and then it uses that
// of the last one, which is an attempt to spend money twice. An observation
// through a node says which chain was seen through that node before, so that a
// client need not tell the whole chain again.
type transfers struct {
	*transferPlan
	n     uint64 // operations so far
	made  int64  // transfers so far
	last  history.Op
	since []history.Value // by node: what the last observation saw, as the value of the next
}

// transferPlan is what does not change.
type transferPlan struct {
	source    choice.Source
	accounts  int64
	conflicts int64 // percent
	hostile   int64 // percent
}

func newTransfers(p Params) gen.Gen {
	return &transfers{transferPlan: &transferPlan{
		source: p.Choices, accounts: p.Options.Int("accounts"), conflicts: p.Options.Int("conflicts"), hostile: p.Options.Int("hostile"),
	}}
}

// Next returns a random operation.
func (g *transfers) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	draw := g.source.Stream("transfer", g.n)
	next := *g
	next.n++
	op := history.Op{F: choice.Weigh(draw, transferKinds)}
	if op.F == "status" && g.made == 0 {
		op.F = "transfer" // there is nothing yet to ask for
	}
	switch op.F {
	case "transfer":
		next.made++
		op.Value = g.transfer(draw, next.made)
		next.last = op
	case "status":
		op.Value = history.Int(g.made - draw.Int64N(min(g.made, recentTransfers)))
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	if op.F == "observe" {
		if node := ctx.Node(ctx.Thread(result.Op.Process)); node < len(g.since) {
			result.Op.Value = g.since[node]
		}
	}
	return result, &next
}

// recentTransfers is how far back one asks what became of a transfer: to the time
// when the oldest of them are final, mostly.
const recentTransfers = 250

// transfer makes up a transfer.
func (g *transfers) transfer(draw *choice.Stream, id int64) history.Value {
	from := draw.Int64N(g.accounts)
	to := (from + 1 + draw.Int64N(max(g.accounts-1, 1))) % g.accounts
	amount, fee := draw.Between(1, 50), draw.Int64N(2)
	payer, nonce := history.String(account(from)), history.Int(id)
	if g.made > 0 && draw.Chance(g.conflicts, 100) {
		payer, nonce = g.last.Value.Get("from"), g.last.Value.Get("nonce")
		if account(to) == payer.Text() {
			to = (to + 1) % g.accounts
		}
	}
	t := []history.Value{
		history.String("id"), history.Int(id), history.String("from"), payer, history.String("to"), history.String(account(to)),
		history.String("amount"), history.Int(amount), history.String("fee"), history.Int(fee), history.String("nonce"), nonce,
	}
	if draw.Chance(g.hostile, 100) {
		t = append(t, history.String("flaw"), history.String(choice.Weigh(draw, transferFlaws)))
	}
	return history.Map(t...)
}

// transferFlaws are why no node should take the transfers of a hostile client: it is
// signed by somebody else, or by nobody; its amount, its fee or both are more than there
// can be, while their sum may not be; its time is over, or hardly ends; or it goes to
// whom it comes from.
var transferFlaws = []choice.Weighted{
	{Name: "stolen", Weight: 2}, {Name: "unsigned", Weight: 1}, {Name: "overflow", Weight: 1}, {Name: "amount", Weight: 1},
	{Name: "fee", Weight: 1}, {Name: "late", Weight: 1}, {Name: "endless", Weight: 1}, {Name: "self", Weight: 1},
}

func account(n int64) string { return "a" + strconv.FormatInt(n+1, 10) }

// Update remembers what was seen through each node.
func (g *transfers) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type != history.OK || ev.F != "observe" {
		return g
	}
	seen := []history.Value{history.String("since"), ev.Value.Get("tip")}
	if heard := ev.Value.Get("heard"); !heard.IsNil() {
		seen = append(seen, history.String("heard"), heard)
	}
	next := *g
	next.since = slices.Clone(g.since)
	for len(next.since) < ctx.Nodes() {
		next.since = append(next.since, history.Nil)
	}
	next.since[ctx.Node(ctx.Thread(ev.Process))] = history.Map(seen...)
	return &next
}

// inclusion is how long an accepted transfer may take until it is in the chain,
// or can never be: this long nothing is done after the load, so that nearly all of them
// can be judged.
const inclusion = 40 * time.Second

// finalObservations has, when every transfer had its time, a client of every node
// observe the chain, read all balances, and ask for a few of all transfers.
func finalObservations(Params) gen.Gen {
	looks := []history.Op{{F: "observe"}, {F: "balances"}}
	for i := range int64(40) {
		looks = append(looks, history.Op{F: "status", Value: history.Int(1 + 25*i)})
	}
	return gen.OnClients(gen.Phases(gen.Sleep(inclusion), gen.EachNode(gen.Ops(looks...))))
}

// Transfer is transfers of money in a ledger, and what every node says of them.
func Transfer() Workload {
	return Workload{
		Name:   "transfer",
		Doc:    "transfers between the accounts of a ledger, some of which spend the same money twice, and observations of its chain",
		Level:  finality,
		Levels: []string{finality, Eventual},
		Options: []Option{
			Number("accounts", 10, 2, 10_000, "how many accounts pay each other: a1, a2, and so on"),
			Number("conflicts", 20, 0, 100, "transfers that use the nonce of another one, in percent"),
			Number("hostile", 4, 0, 100, "transfers that no node should take, as they are not signed by who pays, in percent"),
			Number("depth", -1, -1, 1<<20, "after how many confirmations a block stays, besides those that nodes say are final; -1: never"),
			Number("reward", 10, 0, 1<<62, "how much money a block may make, fees not counted"),
		},
		Fs:        []string{"observe", "transfer", "status", "balances"},
		Generator: newTransfers,
		Final:     finalObservations,
		Checkers:  judgeTransfers,
		Recovered: func(string, Options) []checkers.Checker { return []checkers.Checker{converge.New(converge.Options{})} },
	}
}

func judgeTransfers(level string, o Options) []checkers.Checker {
	return []checkers.Checker{ledger.New(ledger.Options{
		Depth: int(o.Int("depth")), Inclusion: inclusion, Reward: o.Int("reward"), Provisional: level == Eventual,
	})}
}
