package logs_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets/queue/logs"
)

// A producer sends alone, gives up a transaction, and does another one; a consumer
// sees what was committed.
func Example() {
	cfg := logs.Config{Topics: 1, Partitions: 1, Replicas: 3, MinISR: 2, Acks: logs.AcksAll, Idempotent: true, SnapshotEvery: 1000, Sessions: 100}
	ctx := context.Background()
	cluster, err := sim.New(sim.Config{}).Deploy(ctx, world.Spec{
		Nodes: 3, Choices: choice.New(1), OpTimeout: time.Second,
		Boot: func(env actor.Env) actor.Node { return logs.New(env, cfg) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	until := 2 * time.Second.Nanoseconds()
	cluster.Next(until) // leaders are elected
	producer, consumer := cluster.AddClient(0, logs.NewClient(cfg).Invoke), cluster.AddClient(1, logs.NewClient(cfg).Invoke)
	do := func(w world.Worker, op history.Op) {
		until += time.Second.Nanoseconds()
		cluster.Start(w, op)
		e, _ := cluster.Next(until)
		fmt.Println(strings.TrimSpace(fmt.Sprint(e.Op.F, " ", e.Op.Type, " ", e.Op.Value, " ", e.Op.Error)))
	}
	list, word := history.List, history.String
	send := func(n int64) history.Value { return list(word("send"), word("t1-0"), history.Int(n)) }
	do(producer, history.Op{F: "send", Value: list(send(1))})
	do(producer, history.Op{F: "txn", Value: list(send(2), list(word("abort")))})
	do(producer, history.Op{F: "txn", Value: list(send(3), send(4))})
	cluster.Next(until + time.Second.Nanoseconds()) // the marker is written
	do(consumer, history.Op{F: "assign", Value: list(word("t1-0")), Final: true})
	do(consumer, history.Op{F: "poll", Value: list(list(word("poll")))})
	if err := cluster.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// send ok [["send" "t1-0" [0 1]]]
	// txn fail [["send" "t1-0" 2] ["abort"]] aborted
	// txn ok [["init" {"id" "p0" "epoch" 2}] ["send" "t1-0" [3 3]] ["send" "t1-0" [4 4]]]
	// assign ok ["t1-0"]
	// poll ok [["from" {"t1-0" 0}] ["poll" {"t1-0" [[0 1] [3 3] [4 4]]}]]
}
