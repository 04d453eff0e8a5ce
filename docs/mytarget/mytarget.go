// Package mytarget is the example of docs/test-your-own-system.md: a complete
// target in one file. One node, n1, keeps all registers on its disk; the others
// pass requests on to it. That is linearizable, and about as available as n1.
package mytarget

import (
	"bytes"
	"encoding/json"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets"
)

// New returns the target, to be given to registry.With.
func New() targets.Target { return target{} }

type target struct{}

func (target) Name() string { return "mytarget" }
func (target) Doc() string  { return "registers on one node; all others pass requests on to it" }

func (target) Settings() []targets.Setting {
	return []targets.Setting{{
		Name: "sync", Default: "on", Values: []string{"on", "off"},
		Doc: "whether a write is synced to the disk before it is acknowledged",
	}}
}

func (target) Bugs() []targets.Bug { return nil }

func (target) Promise(targets.Settings) targets.Promise {
	return targets.Promise{Level: "linearizable", Doc: "there is one copy, and it is durable"}
}

func (target) Supports(_ targets.Settings, f string) bool { return f == "read" || f == "write" }

func (target) Boot(s targets.Settings, _ []string) (actor.Boot, error) {
	return func(env actor.Env) actor.Node {
		n := &node{env: env, sync: s["sync"] == "on", values: map[string]int64{}}
		if env.Self() == keeper {
			env.Disk().Read(file, n.recovered)
		}
		return n
	}, nil
}

func (target) Client(_ targets.Settings, workload string) (func() client.Client, error) {
	if workload != "register" {
		return nil, targets.ErrUnsupported
	}
	return func() client.Client { return registers{} }, nil
}

// message is a request, and with From and ID what is passed on and comes back.
type message struct {
	F     string          `json:"f,omitempty"` // "read" or "write"; "" in answers
	Key   string          `json:"key,omitempty"`
	Value *int64          `json:"value,omitempty"`
	ID    actor.RequestID `json:"id,omitempty"` // of the client's request at the node that passed it on
}

func (m message) bytes() []byte {
	b, _ := json.Marshal(m)
	return b
}

// registers is the client: it talks to the node that it belongs to.
type registers struct{}

// Invoke does a read or a write.
func (registers) Invoke(env client.Env, op history.Op) history.Op {
	req := message{F: op.F, Key: op.Key.Text()}
	if v, ok := op.Value.Int(); ok {
		req.Value = &v
	}
	answer, err := env.Call(env.Node(), req.bytes())
	if err != nil {
		return client.Broken(op, err, op.F == "read") // unknown, unless it was never sent or changes nothing
	}
	var resp message
	switch {
	case json.Unmarshal(answer, &resp) != nil:
		return client.Info(op, "bad answer")
	case op.F == "write":
		return client.OK(op, op.Value)
	case resp.Value == nil:
		return client.OK(op, history.Nil)
	default:
		return client.OK(op, history.Int(*resp.Value))
	}
}

const (
	keeper actor.NodeID = 0
	file                = "writes" // one JSON message a line
)

// node is the server.
type node struct {
	env    actor.Env
	sync   bool
	ready  bool
	values map[string]int64
}

// recovered takes in what the disk has kept. A last line without an end was
// never acknowledged; it is spoiled, so that it does not become the beginning of
// the next one.
func (n *node) recovered(data []byte, _ error) {
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		n.env.Disk().Append(file, []byte("!\n"), func(error) {})
	}
	lines := bytes.Split(data, []byte("\n"))
	for _, line := range lines[:max(len(lines)-1, 0)] {
		var m message
		if json.Unmarshal(line, &m) == nil && m.Value != nil {
			n.values[m.Key] = *m.Value
		}
	}
	n.ready = true
}

// Serve takes a request of a client.
func (n *node) Serve(id actor.RequestID, body []byte) {
	var m message
	if json.Unmarshal(body, &m) != nil {
		return
	}
	if n.env.Self() != keeper {
		m.ID = id
		n.env.Send(keeper, m.bytes())
		return
	}
	n.do(m, func(answer message) { n.env.Reply(id, answer.bytes()) })
}

// Receive takes a request that another node passes on, or the answer to one.
func (n *node) Receive(from actor.NodeID, msg []byte) {
	var m message
	if json.Unmarshal(msg, &m) != nil {
		return
	}
	if m.F == "" {
		n.env.Reply(m.ID, msg)
		return
	}
	n.do(m, func(answer message) {
		answer.ID = m.ID
		n.env.Send(from, answer.bytes())
	})
}

// do serves a request at the keeper. A node that does not know yet what its
// disk holds does not answer.
func (n *node) do(m message, reply func(message)) {
	switch {
	case !n.ready:
	case m.F == "write" && m.Value != nil:
		n.write(m, reply)
	default:
		var answer message
		if v, ok := n.values[m.Key]; ok {
			answer.Value = &v
		}
		reply(answer)
	}
}

// write makes a value durable, then visible, then known.
func (n *node) write(m message, reply func(message)) {
	commit := func(err error) {
		if err != nil {
			panic("mytarget: the disk failed: " + err.Error())
		}
		n.values[m.Key] = *m.Value
		reply(message{})
	}
	disk := n.env.Disk()
	disk.Append(file, append(m.bytes(), '\n'), func(err error) {
		if err != nil || !n.sync {
			commit(err)
		}
	})
	if n.sync {
		disk.Sync(file, func(error) {})
		disk.SyncDir(commit)
	}
}

// Wake is never asked for.
func (n *node) Wake() {}

// Status says who the node is.
func (n *node) Status() actor.Status {
	if n.env.Self() == keeper {
		return actor.Status{Ready: n.ready, Role: "leader", Term: 1}
	}
	return actor.Status{Ready: true, Role: "follower", Term: 1}
}
