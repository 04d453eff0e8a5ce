package queue

import (
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/queue/work"
)

// workKind is the work queue of package [work].
func workKind() kind {
	return kind{
		name: "work",
		doc:  "messages that are handed out under leases until somebody acknowledges them, or are handed out once",
		settings: []targets.Setting{
			{Name: "guarantee", Default: "at-least-once", Values: []string{"at-least-once", "at-most-once"},
				Doc: "at-least-once: what is handed out is leased, and comes back unless it is acknowledged; at-most-once: it is gone"},
			{Name: "order", Default: "any", Values: []string{"any", "fifo"},
				Doc: "fifo: strict order, so nothing is handed out while the message before it is leased; any: all that waits is handed out"},
			{Name: "delivery", Default: "pull", Values: []string{"pull", "push"},
				Doc: "pull: a receive that finds nothing returns nothing; push: it waits, and gets the next message that comes"},
			{Name: "visibility", Default: "2s", Doc: "how long a lease lasts"},
			{Name: "max-deliveries", Default: "5", Doc: "how often a message is handed out before it is a dead letter; 0: without limit"},
		},
		promise: func(s targets.Settings) targets.Promise {
			p := promiseOfWork(s)
			p.Options = map[string]string{"never-falsely-empty": "true"}
			if s["guarantee"] == "at-least-once" {
				p.Options["max-deliveries"] = s["max-deliveries"]
			}
			return p
		},
		boot:     bootWork,
		clients:  map[string]func(targets.Settings) func() client.Client{"queue": func(targets.Settings) func() client.Client { return work.NewClient }},
		supports: supportsWork,
		facts: func(s targets.Settings) []string {
			cfg, err := workConfig(s, nil)
			if err != nil {
				return nil
			}
			return cfg.Facts()
		},
	}
}

// promiseOfWork says what the settings promise. Whoever forgets what it hands out,
// in order, is a queue as the textbooks have it; leases make the order one of
// attempts, of which a message may need several.
func promiseOfWork(s targets.Settings) targets.Promise {
	switch {
	case s["guarantee"] == "at-least-once" && s["order"] == "fifo":
		return targets.Promise{Level: "fifo",
			Doc: "every acknowledged message is delivered until it is acknowledged, to one consumer at a time, and before all that were put in after it; dead letters are out of that order"}
	case s["guarantee"] == "at-least-once":
		return targets.Promise{Level: "at-least-once",
			Doc: "every acknowledged message is delivered until it is acknowledged, to one consumer at a time, and not after that"}
	case s["order"] == "fifo":
		return targets.Promise{Level: "linearizable",
			Doc: "linearizable: every operation on a queue takes effect at one instant, and messages come out in the order in which they went in, each at most once"}
	default:
		return targets.Promise{Level: "at-most-once",
			Doc: "every message is delivered at most once, and lost only with the answer to a dequeue"}
	}
}

func bootWork(s targets.Settings, bugs []string) (actor.Boot, error) {
	cfg, err := workConfig(s, bugs)
	return func(env actor.Env) actor.Node { return work.New(env, cfg) }, err
}

func workConfig(s targets.Settings, bugs []string) (work.Config, error) {
	cfg := work.Config{
		AtMostOnce: s["guarantee"] == "at-most-once", FIFO: s["order"] == "fifo", Push: s["delivery"] == "push", Bugs: map[work.Bug]bool{},
	}
	every, err := number(s, "snapshot-every", 10, 1_000_000_000)
	if err != nil {
		return cfg, err
	}
	cfg.SnapshotEvery = uint64(every)
	if cfg.Sessions, err = number(s, "sessions", 1, 1_000_000); err != nil {
		return cfg, err
	}
	if cfg.Visibility, err = length(s, "visibility", time.Millisecond, time.Hour); err != nil {
		return cfg, err
	}
	most, err := number(s, "max-deliveries", 0, 1_000_000)
	if err != nil {
		return cfg, err
	}
	cfg.MaxDeliveries = uint64(most)
	for _, id := range bugs {
		b := work.Bug(id)
		if !slices.Contains(work.Bugs(), b) {
			return cfg, fmt.Errorf("bug %s is not one of kind=work, which has %v: set another kind, or leave the bug out", id, work.Bugs())
		}
		cfg.Bugs[b] = true
	}
	return cfg, nil
}

func supportsWork(s targets.Settings, f string) bool {
	switch f {
	case "enqueue":
		return true
	case "dequeue":
		return s["guarantee"] == "at-most-once"
	case "receive", "ack", "nack", "extend":
		return s["guarantee"] == "at-least-once"
	default:
		return false
	}
}
