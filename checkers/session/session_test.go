package session_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/session.txt", func(d *datadriven.TestData) checkers.Checker {
		g, err := session.ParseGuarantee(d.Cmd)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		opts := session.Options{Guarantee: g, PerServer: d.HasArg("per-server")}
		if d.HasArg("versions") {
			var name string
			d.ScanArgs(t, "versions", &name)
			if opts.Versions, err = session.ParseVersions(name); err != nil {
				d.Fatalf(t, "%v", err)
			}
		}
		return session.New(opts)
	})
}

func TestHostile(t *testing.T) {
	t.Parallel()
	values := []history.Value{history.Nil, history.Int(1), history.Int(2), history.Int(3), history.Int(4), history.Int(5), history.Int(6)}
	for g := session.ReadYourWrites; g <= session.Sequential; g++ {
		hostile.Feed(t, session.New(session.Options{Guarantee: g, Versions: session.Versions(g % 2), PerServer: g%4 == 0}), []string{"read", "write", "read", "write", "read"}, values)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for g := session.ReadYourWrites; g <= session.Sequential; g++ {
		res := session.New(session.Options{Guarantee: g}).Check(ctx, store(20, true))
		if res.Verdict != checkers.Unknown || !strings.Contains(res.Reason, "stopped") {
			t.Errorf("%v: %v %s", g, res.Verdict, res.Reason)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if _, err := session.ParseGuarantee("linearizable"); err == nil {
		t.Error("linearizable is no guarantee of this package")
	}
	if _, err := session.ParseVersions("guessed"); err == nil {
		t.Error("versions cannot be guessed")
	}
	for g, name := range session.Names {
		if got, err := session.ParseGuarantee(name); err != nil || int(got) != g {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// Jepsen's tuples of key and value are read like keys.
func TestTuples(t *testing.T) {
	t.Parallel()
	h := &history.History{}
	add := func(p int, f string, k, v history.Value, tuple func(k, v history.Value) history.Value) {
		op := history.Op{Index: len(h.Ops), Process: history.Process(p), F: f, Value: tuple(k, v)}
		if f == "read" {
			op.Value = tuple(k, history.Nil)
		}
		done := op
		done.Index, done.Type, done.Value = op.Index+1, history.OK, tuple(k, v)
		h.Ops = append(h.Ops, op, done)
	}
	list := func(k, v history.Value) history.Value { return history.List(k, v) }
	add(0, "write", history.Int(1), history.Int(1), history.Tuple)
	add(0, "write", history.Int(2), history.Int(1), list)
	add(1, "read", history.Int(2), history.Int(1), history.Tuple)
	add(1, "read", history.Int(1), history.Nil, list)
	res := judge(t, h, session.Options{Guarantee: session.Causal})
	if res.Verdict != checkers.Invalid || res.Anomalies[0].Name != session.WriteCOInitRead || res.Anomalies[0].Key != "1" {
		t.Errorf("%v %+v", res.Verdict, res.Anomalies)
	}
}

// Larger histories than all could be enumerated of, of a kind in which what one
// read shows matters for earlier ones.
func TestViewsAgainstBruteForce(t *testing.T) {
	t.Parallel()
	n := 1500
	if testing.Short() {
		n = 150
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for i := range n {
		agree(t, random(rng, 11), session.Hidden, []session.Guarantee{session.PRAM, session.CausalMemory, session.Sequential}[i%3], true)
	}
}

// FuzzCheck makes histories from bytes, has the checker judge them by all
// guarantees and confirms what it says by the certificate.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("write x, read x, and another 17 \x00\x13\x82\xff"), byte(0))
	f.Add([]byte{0, 1, 2, 3, 130, 7, 9, 4, 66, 5, 1, 1, 0, 0}, byte(1))
	f.Fuzz(func(t *testing.T, data []byte, versions byte) {
		var ops []tiny
		written := map[int][]int{}
		for i, b := range data[:min(len(data), 40)] {
			o := tiny{process: int(b) & 3, key: int(b) >> 2 & 1, write: b>>3&1 == 1, typ: history.OK}
			if seen := written[o.key]; o.write {
				o.value = i + 1
				if o.typ = []history.Type{history.OK, history.OK, history.OK, history.Info}[b>>4&3]; len(seen) > 0 {
					o.previous = seen[int(b>>6)%len(seen)]
				}
				written[o.key] = append(seen, o.value)
			} else if len(seen) > 0 {
				o.value = seen[int(b>>4)%len(seen)]
			}
			ops = append(ops, o)
		}
		v := session.Versions(versions % 3)
		h := record(ops, v)
		var verdict [9]checkers.Verdict
		for g := range verdict {
			verdict[g] = judge(t, h, session.Options{Guarantee: session.Guarantee(g), Versions: v}).Verdict
		}
		for strong, list := range weaker {
			for _, weak := range list {
				if verdict[strong] == checkers.OK && verdict[weak] == checkers.Invalid && !(v != session.Hidden && weak == session.Causal) {
					t.Fatalf("%v holds, but %v does not\n%v", strong, weak, h.Ops)
				}
			}
		}
	})
}
