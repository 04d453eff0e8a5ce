package work

import (
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// queueClient does the operations of workload queue. A dequeue is a receive from
// a queue that forgets what it hands out.
type queueClient struct{ request.Caller }

// NewClient returns a client of workload queue.
func NewClient() client.Client { return &queueClient{} }

// Invoke does one operation.
func (c *queueClient) Invoke(env client.Env, op history.Op) history.Op {
	cmd, ok := command(op)
	if !ok {
		return client.Fail(op, "bad-request: "+op.F)
	}
	code, body, err := c.Call(env, op, false, cmd.AppendTo(nil))
	switch {
	case err != nil:
		return client.Broken(op, err, false)
	case code != request.OK:
		return request.Ended(op, code, false)
	}
	a, err := ParseAnswer(body)
	if err != nil {
		return client.Info(op, "bad-answer: "+err.Error())
	}
	return completed(op, a)
}

// command returns what an operation asks for.
func command(op history.Op) (Command, bool) {
	c := Command{Queue: request.Text(op.Key), Message: request.Text(op.Value.Get("message"))}
	token, _ := op.Value.Get("token").Int()
	c.Token = uint64(token)
	switch op.F {
	case "enqueue":
		c.Op, c.Message = Enqueue, request.Text(op.Value)
	case "receive", "dequeue":
		c.Op = Receive
		if dead, _ := op.Value.Get("dead").Bool(); dead {
			c.Queue += DeadLetters
		}
	case "ack":
		c.Op = Ack
	case "nack":
		c.Op = Nack
	case "extend":
		c.Op = Extend
	default:
		return c, false
	}
	return c, true
}

// completed says how an operation ended.
func completed(op history.Op, a Answer) history.Op {
	visibility := history.Int(int64(a.Visibility / 1e6))
	switch {
	case a.Result == Stale:
		return client.Fail(op, "stale-receipt")
	case a.Result == Empty:
		return client.OK(op, history.Nil)
	case a.Result == Delivered && op.F == "dequeue":
		return client.OK(op, request.Value(a.Message))
	case a.Result == Delivered && op.F == "receive":
		return client.OK(op, history.Map(history.String("message"), request.Value(a.Message),
			history.String("token"), history.Int(int64(a.Token)), history.String("visibility"), visibility))
	case a.Result == Delivered:
		return client.OK(op, history.Map(history.String("visibility"), visibility))
	case a.Result == Done:
		return client.OK(op, op.Value)
	default:
		return client.Info(op, "bad-answer: "+strconv.Itoa(int(a.Result)))
	}
}
