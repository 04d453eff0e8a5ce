package replog_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// counter is a machine that counts. A command is a number to add.
type counter struct{ sum uint64 }

func (c *counter) Apply(_ uint64, cmd []byte) []byte {
	c.sum += uint64(cmd[0])
	return c.Encode()
}

func (c *counter) Read([]byte) []byte { return c.Encode() }
func (c *counter) Encode() []byte     { return binary.LittleEndian.AppendUint64(nil, c.sum) }
func (c *counter) Digest() string     { return fmt.Sprint(c.sum) }

func (c *counter) Restore(state []byte) error {
	c.sum = binary.LittleEndian.Uint64(state)
	return nil
}

// node hands everything to its part in the log.
type node struct {
	*replog.Group
	env actor.Env
}

func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil {
		n.env.Reply(id, request.Answer(request.BadRequest, nil))
		return
	}
	n.Group.Serve(id, r)
}

func boot(env actor.Env) actor.Node {
	return &node{replog.New(env, replog.Config{Name: "counter"}, &counter{}), env}
}

// A counter that is replicated on three nodes. Clients of different nodes add to
// it, and one reads what all of them have added.
func Example() {
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{
		Nodes: 3, Boot: boot, Choices: choice.New(1), OpTimeout: time.Second,
	})
	if err != nil {
		panic(err)
	}
	defer cluster.Close(context.Background())
	cluster.Next(int64(2 * time.Second)) // by then there is a leader

	ask := func(process int, op history.Op, cmd []byte) {
		var caller request.Caller
		op.Process = history.Process(process)
		cluster.Start(cluster.AddClient(process, func(env client.Env, op history.Op) history.Op {
			_, sum, err := caller.Call(env, op, cmd == nil, cmd)
			if err != nil {
				return client.Broken(op, err, cmd == nil)
			}
			return client.OK(op, history.Int(int64(binary.LittleEndian.Uint64(sum))))
		}), op)
		e, _ := cluster.Next(cluster.Now() + int64(time.Second))
		fmt.Println("n"+fmt.Sprint(process+1), e.Op.F, e.Op.Type, e.Op.Value)
	}
	ask(0, history.Op{F: "add 5"}, []byte{5})
	ask(1, history.Op{F: "add 2"}, []byte{2})
	ask(2, history.Op{F: "read"}, nil)
	// Output:
	// n1 add 5 ok 5
	// n2 add 2 ok 7
	// n3 read ok 7
}
