package queue

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/queue/logs"
)

// logKind is the partitioned log of package [logs].
func logKind() kind {
	return kind{
		name: "log",
		doc:  "topics with partitions, each a log replicated by a leader to those in sync, with transactions and groups",
		settings: []targets.Setting{
			{Name: "topics", Default: "2", Doc: "how many topics there are: t1, t2 and so on"},
			{Name: "partitions", Default: "2", Doc: "partitions of each topic: t1-0, t1-1 and so on"},
			{Name: "replicas", Default: "3", Doc: "nodes that hold each partition"},
			{Name: "acks", Default: "all", Values: []string{"0", "1", "all"},
				Doc: "when a send is acknowledged: when it was handed over, when the leader has it on disk, or when all in-sync replicas have"},
			{Name: "min-insync", Default: "2", Doc: "how many replicas have to be in sync for anything to be committed"},
			{Name: "unclean", Default: "off", Values: []string{"off", "on"},
				Doc: "on: a replica that is not in sync may lead when no other one is alive, and what it lacks is lost"},
			{Name: "idempotent", Default: "on", Values: []string{"on", "off"},
				Doc: "on: producers number their messages, so that one that arrives twice is appended once"},
			{Name: "retention", Default: "0", Doc: "committed messages that each partition keeps at least, the newest ones; 0: all"},
			{Name: "compaction", Default: "off", Values: []string{"off", "on"},
				Doc: "on: of messages with the same key only the last has to stay"},
		},
		promise:  promiseOfLog,
		boot:     bootLog,
		clients:  map[string]func(targets.Settings) func() client.Client{"log": logClient},
		supports: supportsLog,
		facts:    factsOfLog,
	}
}

// promiseOfLog says what the settings promise. What a single node acknowledges,
// and what a leader who was not in sync lacks, may be lost; what has no number may
// be there twice.
func promiseOfLog(s targets.Settings) targets.Promise {
	p := levelOfLog(s)
	p.Options = map[string]string{
		"topics": s["topics"], "partitions": s["partitions"], "retention": s["retention"],
		"compaction": strconv.FormatBool(s["compaction"] == "on"),
	}
	return p
}

func levelOfLog(s targets.Settings) targets.Promise {
	switch {
	case s["retention"] != "0" && s["idempotent"] == "off":
		return targets.Promise{Level: "lossy-log",
			Doc: "messages come in the order of their offsets, none that was not sent or whose transaction failed; the oldest go away, and some of those that push them out may be repetitions"}
	case s["acks"] != "all" || s["unclean"] == "on":
		return targets.Promise{Level: "lossy-log",
			Doc: "messages come in the order of their offsets, none that was not sent or whose transaction failed; those that were acknowledged may be lost"}
	case s["idempotent"] == "off":
		return targets.Promise{Level: "at-least-once",
			Doc: "every acknowledged message is there, in order, and perhaps again after that"}
	case s["retention"] != "0":
		return targets.Promise{Level: "log",
			Doc: "every acknowledged message is there once, at one offset, in the order in which its producer sent it, until as many newer ones are as have to be kept; of a transaction all messages or none; no other ones"}
	default:
		return targets.Promise{Level: "log",
			Doc: "every acknowledged message is there once, at one offset, in the order in which its producer sent it; of a transaction all messages or none; no other ones"}
	}
}

func bootLog(s targets.Settings, bugs []string) (actor.Boot, error) {
	cfg, err := logConfig(s, bugs)
	return func(env actor.Env) actor.Node { return logs.New(env, cfg) }, err
}

func logClient(s targets.Settings) func() client.Client {
	cfg, err := logConfig(s, nil)
	if err != nil {
		panic("queue: settings that no node boots with: " + err.Error())
	}
	return func() client.Client { return logs.NewClient(cfg) }
}

func logConfig(s targets.Settings, bugs []string) (logs.Config, error) {
	cfg := logs.Config{
		Acks:       map[string]logs.Acks{"0": logs.AcksNone, "1": logs.AcksLeader, "all": logs.AcksAll}[s["acks"]],
		Idempotent: s["idempotent"] == "on", Unclean: s["unclean"] == "on", Compaction: s["compaction"] == "on",
		Bugs: map[logs.Bug]bool{},
	}
	for _, x := range []struct {
		name        string
		to          *int
		least, most int
	}{
		{"topics", &cfg.Topics, 1, 100}, {"partitions", &cfg.Partitions, 1, 100}, {"replicas", &cfg.Replicas, 1, 64},
		{"min-insync", &cfg.MinISR, 1, 64}, {"retention", &cfg.Retention, 0, 1_000_000_000},
		{"snapshot-every", &cfg.SnapshotEvery, 10, 1_000_000_000}, {"sessions", &cfg.Sessions, 1, 1_000_000},
	} {
		var err error
		if *x.to, err = number(s, x.name, x.least, x.most); err != nil {
			return cfg, err
		}
	}
	if cfg.MinISR > cfg.Replicas {
		return cfg, fmt.Errorf("setting min-insync=%d: no more than replicas=%d can be in sync; lower min-insync or raise replicas", cfg.MinISR, cfg.Replicas)
	}
	for _, id := range bugs {
		if !slices.Contains(logs.Bugs(), logs.Bug(id)) {
			return cfg, fmt.Errorf("bug %s is none of kind=log: set another kind, or leave the bug out", id)
		}
		cfg.Bugs[logs.Bug(id)] = true
	}
	return cfg, nil
}

func factsOfLog(s targets.Settings) []string {
	cfg, err := logConfig(s, nil)
	if err != nil {
		return nil
	}
	return logs.Facts(cfg)
}

func supportsLog(_ targets.Settings, f string) bool {
	return slices.Contains([]string{"send", "poll", "txn", "assign", "subscribe", "commit", "init"}, f)
}
