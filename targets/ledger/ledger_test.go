package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/ledger"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
	"github.com/ordeal-dev/ordeal/targets/ledger/pow"
)

// What is promised depends on what makes a block final.
func Example() {
	t := ledger.New()
	for _, finality := range []string{"quorum", "depth"} {
		s, err := targets.Fill(t, map[string]string{"finality": finality})
		fmt.Println(finality, "promises", t.Promise(s).Level, err)
	}
	// Output:
	// quorum promises finality <nil>
	// depth promises eventual <nil>
}

// try runs a workload on five nodes.
func try(t *testing.T, p plan.Plan, faults ...string) *run.Result {
	t.Helper()
	p.Version, p.Target, p.World, p.Nodes, p.Clients, p.Rate = "test", "ledger", "sim", 5, 10, 100
	p.OpTimeout, p.Floors, p.Consistency = plan.Duration(time.Second), plan.DefaultFloors(), run.Promised
	for _, f := range faults {
		p.Faults = append(p.Faults, plan.Fault{Kind: f})
	}
	test, err := registry.Builtin().Resolve(&p)
	if err != nil {
		t.Fatal(err)
	}
	o, err := test.Run(t.Context(), run.Config{Out: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return o.Result
}

var all = []string{"partition", "kill", "pause", "clock", "packet", "power", "byzantine"}

func TestKeepsItsPromise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		workload string
		settings map[string]string
	}{{"transfer", nil}, {"notary", nil}, {"transfer", map[string]string{"finality": "depth", "depth": "1"}}} {
		t.Run(fmt.Sprint(c.workload, c.settings), func(t *testing.T) {
			t.Parallel()
			r := try(t, plan.Plan{Workload: c.workload, Settings: c.settings, Seed: 5, Time: plan.Duration(30 * time.Second)}, all...)
			if r.Promise.Kept == nil || !*r.Promise.Kept {
				t.Errorf("%s: %+v", r.Verdict, r.Checkers)
			}
		})
	}
}

// A bug of each part is found at once; table zoo has all of them, with the
// commands that find them.
func TestSeededBugsAreFound(t *testing.T) {
	t.Parallel()
	for id, anomaly := range map[string]string{"PW2": "lost-transfer", "PW8": "conservation", "PW10": "divergence"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := try(t, plan.Plan{Workload: "transfer", Bugs: []string{id}, Seed: 2, Time: plan.Duration(20 * time.Second)}, "partition")
			found := false
			for _, c := range r.Checkers {
				found = found || slices.ContainsFunc(c.Anomalies, func(a checkers.Anomaly) bool { return a.Name == anomaly })
			}
			if r.Verdict != checkers.Invalid || !found {
				t.Errorf("%s: %+v", r.Verdict, r.Checkers)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"depth=0":          "a whole number from 1 to 1000",
		"interval=1ms":     "a time from 10ms to 1h",
		"interval=soon":    "a time from 10ms to 1h",
		"power=4,,2":       "whole numbers up to 65535",
		"power=0,1":        "the first node has to have some power",
		"accounts=0":       "a whole number from 1 to 10000",
		"power=1":          "",
		"interval=2s":      "",
		"finality=depth":   "",
		"finality=perhaps": "want one of quorum, depth",
	} {
		name, value, _ := strings.Cut(given, "=")
		s, err := targets.Fill(ledger.New(), map[string]string{name: value})
		if err == nil {
			_, err = ledger.New().Boot(s, nil)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", given, err)
		}
	}
	s, _ := targets.Fill(ledger.New(), nil)
	if _, err := ledger.New().Boot(s, []string{"CP1"}); err == nil {
		t.Error("a bug of the store was taken")
	}
	if _, err := ledger.New().Client(s, "register"); !errors.Is(err, targets.ErrUnsupported) {
		t.Error(err)
	}
}

func settings(t *testing.T, given map[string]string) targets.Settings {
	t.Helper()
	s, err := targets.Fill(ledger.New(), given)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answers is a node that gives one answer after the other.
type answers struct {
	client.Env
	give [][]byte
	err  error
	got  []coin.Request
}

func (a *answers) Node() int  { return 0 }
func (a *answers) Nodes() int { return 5 }

func (a *answers) Call(_ int, body []byte) ([]byte, error) {
	r, err := coin.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	a.got = append(a.got, r)
	if len(a.give) == 0 {
		return nil, a.err
	}
	next := a.give[0]
	a.give = a.give[1:]
	return next, nil
}

// How an operation ends says what is known of it, and no more.
func TestEndings(t *testing.T) {
	t.Parallel()
	height, yes, no := []byte{byte(coin.Yes), 5}, []byte{byte(coin.Yes)}, coin.Refusal("nonce used")
	pay := history.Map(history.String("id"), history.Int(1), history.String("from"), history.String("a1"), history.String("to"), history.String("a2"),
		history.String("amount"), history.Int(3), history.String("nonce"), history.Int(1))
	for name, c := range map[string]struct {
		workload, f string
		value       history.Value
		give        [][]byte
		err         error
		want        history.Type
	}{
		"accepted":        {"transfer", "transfer", pay, [][]byte{height, yes}, nil, history.OK},
		"refused":         {"transfer", "transfer", pay, [][]byte{height, no}, nil, history.Fail},
		"never signed":    {"transfer", "transfer", pay, nil, client.ErrTimeout, history.Fail},
		"perhaps":         {"transfer", "transfer", pay, [][]byte{height}, client.ErrTimeout, history.Info},
		"not sent":        {"transfer", "transfer", pay, [][]byte{height}, client.ErrUnavailable, history.Fail},
		"garbled":         {"transfer", "transfer", pay, [][]byte{height, {99}}, nil, history.Info},
		"no transfer":     {"transfer", "transfer", history.Int(1), nil, nil, history.Fail},
		"asked":           {"transfer", "status", history.Int(1), [][]byte{append(yes, coin.Pending...)}, nil, history.OK},
		"not answered":    {"transfer", "status", history.Int(1), nil, client.ErrTimeout, history.Fail},
		"no view":         {"transfer", "observe", history.Nil, [][]byte{yes}, nil, history.Fail},
		"no balances":     {"transfer", "balances", history.Nil, [][]byte{yes}, nil, history.Fail},
		"no operation":    {"transfer", "read", history.Nil, nil, nil, history.Fail},
		"stamped":         {"notary", "stamp", history.Int(1), [][]byte{height, yes}, nil, history.OK},
		"no document":     {"notary", "stamp", history.String("x"), nil, nil, history.Fail},
		"no proof":        {"notary", "proof", history.Int(1), [][]byte{no}, nil, history.Fail},
		"a proof of what": {"notary", "proof", history.Int(1), [][]byte{yes}, nil, history.OK},
	} {
		newClient, err := ledger.New().Client(settings(t, nil), c.workload)
		if err != nil {
			t.Fatal(err)
		}
		env := &answers{give: c.give, err: c.err}
		if got := newClient().Invoke(env, history.Op{F: c.f, Value: c.value}); got.Type != c.want {
			t.Errorf("%s: %v %s", name, got.Type, got.Error)
		}
	}
}

// An observation is looked at: everything that is wrong by itself is told.
func TestChainsAreLookedAt(t *testing.T) {
	t.Parallel()
	const interval = 500_000_000
	newClient, _ := ledger.New().Client(settings(t, nil), "transfer")
	cfg := pow.Config{Accounts: 10, Money: 500}
	genesis := pow.Genesis(&cfg)
	look := func(change func(*coin.View)) history.Value {
		tx := coin.Transfer{ID: 1, From: "a1", To: "a2", Amount: 3, Nonce: 1, Until: 9}
		tx.Sign(coin.Key("a1"))
		b := &coin.Block{Header: coin.Header{Parent: genesis.Hash(), Height: 1, Time: 4 * interval, Work: genesis.Work, Miner: "n1", Pay: 10}, Txs: []coin.Transfer{tx}}
		v := coin.View{Final: genesis.Hash(), Bound: genesis.Hash(), Blocks: []coin.Told{{Name: genesis.Hash(), Block: genesis}, {Block: b}}}
		change(&v)
		if b.Root == (coin.Hash{}) {
			b.Root = coin.Root(b.Txs)
		}
		for !b.Mine(1000) {
		}
		v.Tip = b.Hash()
		if v.Blocks[1].Name == (coin.Hash{}) {
			v.Blocks[1].Name = v.Tip
		}
		return newClient().Invoke(&answers{give: [][]byte{v.Append(nil)}}, history.Op{F: "observe"}).Value
	}
	for name, c := range map[string]struct {
		key    string
		change func(*coin.View)
	}{
		"nothing":       {"", func(*coin.View) {}},
		"name":          {"false", func(v *coin.View) { v.Blocks[1].Name = coin.Hash{1} }},
		"root":          {"false", func(v *coin.View) { v.Blocks[1].Root = coin.Hash{1} }},
		"height":        {"false", func(v *coin.View) { v.Blocks[1].Height = 2 }},
		"work":          {"false", func(v *coin.View) { v.Blocks[1].Work = 1 }},
		"signature":     {"false", func(v *coin.View) { v.Blocks[1].Txs[0].Amount++ }},
		"nobody":        {"false", func(v *coin.View) { v.Blocks[1].Txs[0].From = "" }},
		"expired":       {"false", func(v *coin.View) { v.Blocks[1].Txs[0].Until = 0 }},
		"amount":        {"false", func(v *coin.View) { v.Blocks[1].Txs[0].Amount = 1 << 63 }},
		"fee":           {"false", func(v *coin.View) { v.Blocks[1].Txs[0].Fee = 1<<64 - 3 }},
		"pay":           {"false", func(v *coin.View) { v.Blocks[1].Pay = 1 << 63 }},
		"vote":          {"false", func(v *coin.View) { v.Votes = []coin.Vote{{Validator: "n1"}} }},
		"a good vote":   {"", func(v *coin.View) { v.Votes = []coin.Vote{sworn("n1", coin.Hash{1})} }},
		"its source":    {"false", func(v *coin.View) { v.Votes = seal("n1"); v.Votes[0].Source[0]++ }},
		"its target":    {"false", func(v *coin.View) { v.Votes = seal("n1"); v.Votes[0].Target[0]++ }},
		"its heights":   {"false", func(v *coin.View) { v.Votes = seal("n1"); v.Votes[0].SourceHeight++ }},
		"no validator":  {"false", func(v *coin.View) { v.Votes = []coin.Vote{sworn("n6", coin.Hash{1})} }},
		"final":         {"unproven", func(v *coin.View) { v.Final = coin.Hash{1} }},
		"votes for it":  {"", func(v *coin.View) { v.Final, v.Seal = coin.Hash{1}, seal("n1", "n2", "n3", "n4") }},
		"too few":       {"unproven", func(v *coin.View) { v.Final, v.Seal = coin.Hash{1}, seal("n1", "n2", "n3") }},
		"one twice":     {"unproven", func(v *coin.View) { v.Final, v.Seal = coin.Hash{1}, seal("n1", "n2", "n3", "n3") }},
		"for something": {"unproven", func(v *coin.View) { v.Final, v.Seal = coin.Hash{2}, seal("n1", "n2", "n3", "n4") }},
	} {
		got := look(c.change)
		for _, key := range []string{"false", "unproven"} {
			if !got.Get(key).IsNil() != (key == c.key) {
				t.Errorf("%s: %s is %v", name, key, got.Get(key))
			}
		}
	}
}

// sworn is a vote of a validator for the block above source to make that final.
func sworn(validator string, source coin.Hash) coin.Vote {
	v := coin.Vote{Validator: validator, Source: source, Target: coin.Hash{9}, SourceHeight: 4, TargetHeight: 4 + pow.Epoch}
	v.Sign(coin.Key(validator))
	return v
}

func seal(validators ...string) (votes []coin.Vote) {
	for _, name := range validators {
		votes = append(votes, sworn(name, coin.Hash{1}))
	}
	return votes
}

// A proof is looked at, and one of another document is none.
func TestProofs(t *testing.T) {
	t.Parallel()
	stamp := func(id uint64) coin.Transfer {
		s := coin.Transfer{ID: id, From: coin.Notary, To: coin.Notary, Nonce: id, Memo: fmt.Sprint("document ", id)}
		s.Sign(coin.Key(coin.Notary))
		return s
	}
	txs := []coin.Transfer{stamp(1), stamp(2)}
	h := coin.Header{Root: coin.Root(txs), Height: 9, Work: 1}
	e := coin.Evidence{Header: h, Tx: txs[0], Path: coin.PathOf(txs, 0)}
	newClient, _ := ledger.New().Client(settings(t, map[string]string{"finality": "depth"}), "notary")
	for doc, want := range map[int64]string{1: "height", 2: "false"} {
		got := newClient().Invoke(&answers{give: [][]byte{e.Append(nil)}}, history.Op{F: "proof", Value: history.Int(doc)})
		if got.Type != history.OK || got.Value.Get(want).IsNil() {
			t.Errorf("document %d: %+v", doc, got)
		}
	}
	strict, _ := ledger.New().Client(settings(t, nil), "notary")
	if got := strict().Invoke(&answers{give: [][]byte{e.Append(nil)}}, history.Op{F: "proof", Value: history.Int(1)}); got.Value.Get("false").IsNil() {
		t.Errorf("a proof without votes: %+v", got)
	}
	none := newClient().Invoke(&answers{give: [][]byte{coin.Refusal("not final")}}, history.Op{F: "proof", Value: history.Int(3), Final: true})
	if none.Type != history.OK || !none.Value.IsNil() {
		t.Errorf("after recovery: %+v", none)
	}
}
