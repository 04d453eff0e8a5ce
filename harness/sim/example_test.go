package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// echo is the least that a node can be.
type echo struct{ env actor.Env }

func (e *echo) Receive(actor.NodeID, []byte)             {}
func (e *echo) Serve(req actor.RequestID, body []byte)   { e.env.Reply(req, body) }
func (e *echo) Wake()                                    {}
func (e *echo) Status() actor.Status                     { return actor.Status{Ready: true} }
func bootEcho(env actor.Env) actor.Node                  { return &echo{env} }
func ask(env client.Env, op history.Op) (out history.Op) { return askNode(env, env.Node(), op) }

func askNode(env client.Env, node int, op history.Op) history.Op {
	body, err := env.Call(node, []byte(op.Value.Text()))
	if err != nil {
		return client.Broken(op, err, false)
	}
	return client.OK(op, history.String(string(body)))
}

// A client asks its node before and after the node was killed.
func Example() {
	ctx := context.Background()
	cluster, err := sim.New(sim.Config{}).Deploy(ctx, world.Spec{
		Nodes: 3, Boot: bootEcho, Choices: choice.New(1), OpTimeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := cluster.AddClient(0, ask)
	op := history.Op{F: "echo", Value: history.String("hello")}

	cluster.Start(w, op)
	e, _ := cluster.Next(time.Second.Nanoseconds())
	fmt.Println(e.Op.Type, e.Op.Value)

	if err := cluster.Do(func(ctl world.Control) error { return ctl.Kill(0) }); err != nil {
		fmt.Println(err)
	}
	cluster.Start(w, op)
	e, _ = cluster.Next(time.Second.Nanoseconds())
	fmt.Println(e.Op.Type, e.Op.Error)

	if err := cluster.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ok "hello"
	// fail unavailable
}
