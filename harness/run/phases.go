package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// How long a cluster may take to become ready and to recover, and how often it
// is asked whether it has.
const (
	readyWithin   = 30 * time.Second
	recoverWithin = 30 * time.Second
	askEvery      = 100 * time.Millisecond
)

// waitReady waits until every node says that it can serve.
func waitReady(ctl world.Control) error {
	deadline := ctl.Now() + readyWithin
	for {
		_, err := askAll(ctl)
		if err == nil || ctl.Now() > deadline {
			return err
		}
		ctl.Sleep(askEvery)
	}
}

// askAll asks every node for its status. The error says who did not answer or
// is not ready.
func askAll(ctl world.Control) ([]actor.Status, error) {
	all := make([]actor.Status, ctl.Nodes())
	var errs []error
	for n := range all {
		st, err := ctl.Status(n)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%v does not answer: %w", actor.NodeID(n), err))
		case !st.Ready:
			errs = append(errs, fmt.Errorf("%v is not ready, its role is %q", actor.NodeID(n), st.Role))
		}
		all[n] = st
	}
	return all, errors.Join(errs...)
}

// observeRecovery waits until all nodes are ready and agree on what they hold,
// and completes op with what each of them holds. A cluster that does not get
// there in time is described as it is then; nobody waits for nodes that are dead,
// because nothing starts them any more.
func observeRecovery(ctl world.Control, op history.Op) history.Op {
	began := ctl.Now()
	for {
		all, err := askAll(ctl)
		if err == nil {
			err = agree(all)
		}
		within := min(ctl.Now()-began, recoverWithin).Round(askEvery)
		if err == nil || within == recoverWithin || othersRecovered(ctl, all) {
			op.Value = replicas(all)
			if err != nil {
				op.Error = fmt.Sprintf("no recovery within %v: %s", within, strings.ReplaceAll(err.Error(), "\n", "; "))
			}
			return op
		}
		ctl.Sleep(askEvery)
	}
}

// othersRecovered reports whether all nodes that are not dead are ready and agree.
func othersRecovered(ctl world.Control, all []actor.Status) bool {
	for n, st := range all {
		if st.Ready {
			continue
		}
		if p, err := ctl.Process(n); err != nil || p.State != "dead" {
			return false
		}
	}
	return agree(all) == nil
}

// agree says which shard differs between two nodes.
func agree(all []actor.Status) error {
	first := map[string]int{}
	for n, st := range all {
		for _, shard := range slices.Sorted(maps.Keys(st.Digests)) {
			m, seen := first[shard]
			if !seen {
				first[shard] = n
				continue
			}
			if all[m].Digests[shard] != st.Digests[shard] {
				return fmt.Errorf("%v and %v differ in shard %s", actor.NodeID(m), actor.NodeID(n), shard)
			}
		}
	}
	return nil
}

// replicas writes down what the nodes hold. A node that did not answer holds
// nothing and is left out.
func replicas(all []actor.Status) history.Value {
	var nodes []history.Value
	for n, st := range all {
		if st.Digests == nil {
			continue
		}
		var shards []history.Value
		for _, shard := range slices.Sorted(maps.Keys(st.Digests)) {
			shards = append(shards, history.String(shard), history.String(st.Digests[shard]))
		}
		nodes = append(nodes, history.String(actor.NodeID(n).String()), history.Map(shards...))
	}
	return history.Map(nodes...)
}

// timetable has the nemesis take steps at their times, counted from when it is
// first asked.
type timetable struct {
	steps   []nemesis.Step
	started bool
	origin  int64
}

func timetableOf(steps []nemesis.Step) gen.Gen { return &timetable{steps: steps} }

// Next returns the next step when it is due and the nemesis is free.
func (g *timetable) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	if len(g.steps) == 0 {
		return gen.Result{}, g
	}
	if !g.started {
		g = &timetable{steps: g.steps, started: true, origin: ctx.Time}
	}
	if due := g.origin + int64(g.steps[0].At); ctx.Time < due {
		return gen.Wait(due), g
	}
	result := gen.Emit(ctx, g.steps[0].Op())
	if result.Kind != gen.Ready {
		return result, g
	}
	return result, &timetable{steps: g.steps[1:], started: true, origin: g.origin}
}

// Update changes nothing.
func (g *timetable) Update(*gen.Context, *history.Op) gen.Gen { return g }

// interruptible ends a generator when a context ends: the way in which Ctrl-C
// goes on to healing and the final phase.
type interruptible struct {
	ctx context.Context
	gen gen.Gen
}

// Next asks the generator, unless the context has ended.
func (g *interruptible) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	if g.ctx.Err() != nil {
		return gen.Result{}, g
	}
	result, next := g.gen.Next(ctx)
	return result, g.with(next)
}

// Update passes the event on.
func (g *interruptible) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	return g.with(g.gen.Update(ctx, ev))
}

func (g *interruptible) with(next gen.Gen) gen.Gen {
	if next == g.gen {
		return g
	}
	return &interruptible{g.ctx, next}
}
