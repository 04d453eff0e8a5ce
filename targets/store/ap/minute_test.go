package ap_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets/store/ap"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// user does one request after the other, each to its own node.
type user struct {
	id, seq uint64
	rand    *choice.Stream
}

func (u *user) request() kv.Request {
	u.seq++
	r := kv.Request{Op: kv.Get, Client: u.id, Seq: u.seq, Key: fmt.Sprint("k", u.rand.IntN(10))}
	if u.rand.Chance(1, 2) {
		r.Op, r.Value = kv.Put, fmt.Sprintf("%d.%d", u.id, u.seq)
	}
	return r
}

func (u *user) invoke(env client.Env, op history.Op) history.Op {
	answer, err := env.Call(env.Node(), u.request().AppendTo(nil))
	if err != nil {
		return client.Broken(op, err, false)
	}
	if r, err := kv.ParseResponse(answer); err != nil || r.Code != kv.OK && r.Code != kv.NotFound {
		return client.Info(op, fmt.Sprint("code ", r.Code))
	}
	return client.OK(op, op.Value)
}

// minute runs five nodes and ten clients, who ask a hundred times a second
// between them, and returns the digest of the run and how many requests ended well.
func minute(tb testing.TB, cfg ap.Config, seconds int64) (digest string, ok int) {
	tb.Helper()
	c, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{
		Nodes: 5, Choices: choice.New(1), OpTimeout: time.Second,
		Boot: func(env actor.Env) actor.Node { return ap.New(env, cfg) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	var workers []world.Worker
	for i := range 10 {
		u := &user{id: uint64(i), rand: choice.New(1).Stream("user", uint64(i))}
		workers = append(workers, c.AddClient(i%5, u.invoke))
	}
	drain := func(until int64) {
		for e, more := c.Next(until); more; e, more = c.Next(until) {
			if e.Op.Type == history.OK {
				ok++
			}
		}
	}
	drain(200e6)
	for i := int64(0); i < seconds*100; i++ {
		c.Start(workers[i%10], history.Op{F: "request"})
		drain(200e6 + (i+1)*10e6)
	}
	digest = c.Digest()
	if err := c.Close(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return digest, ok
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	cfg := ap.Config{N: 3, R: 2, W: 2}
	first, ok := minute(t, cfg, 10)
	if again, _ := minute(t, cfg, 10); again != first {
		t.Errorf("digests %s and %s of one seed", first, again)
	}
	if ok != 1000 {
		t.Errorf("%d of 1000 requests ended well", ok)
	}
}

// BenchmarkMinute is a simulated minute of five nodes with ten clients that
// ask a hundred times a second between them.
func BenchmarkMinute(b *testing.B) {
	for _, cfg := range []ap.Config{{N: 3, R: 1, W: 1}, {N: 3, R: 2, W: 2}} {
		b.Run(fmt.Sprintf("r=%d,w=%d", cfg.R, cfg.W), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				minute(b, cfg, 60)
			}
		})
	}
}
