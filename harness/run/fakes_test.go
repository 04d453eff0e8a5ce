package run_test

import (
	"errors"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/targets"
)

// hooked is a fault of which a test says what it does. Left zero, it does
// nothing and finds that out.
type hooked struct {
	name   string
	at     time.Duration // when do is called; 0 for at once
	do     func()
	inject func(world.Control) error
	heal   func(world.Control) error
	found  history.Witness // what the witness says; Ineffective if ""
	err    error           // of the witness
}

func (h hooked) fault() nemesis.Fault {
	return nemesis.Fault{
		Kind: h.name, Doc: "what a test wants", Needs: world.Clock,
		Check: func(nemesis.Params, int) error { return nil },
		Aim:   func(*nemesis.Scene) (nemesis.Window, error) { return &h, nil },
	}
}

func (h *hooked) Nodes() []int          { return []int{0} }
func (h *hooked) Plan() []history.Value { return nil }

func (h *hooked) Inject(ctl world.Control) error {
	if h.do != nil && ctl.Now() >= h.at {
		h.do()
	}
	if h.inject != nil {
		return h.inject(ctl)
	}
	return nil
}

func (h *hooked) Witness(world.Control) (nemesis.Finding, error) {
	f := nemesis.Finding{Witness: h.found}
	if f.Witness == "" {
		f.Witness = history.Ineffective
	}
	return f, h.err
}

func (h *hooked) LookBack(ctl world.Control) (nemesis.Finding, error) { return h.Witness(ctl) }

func (h *hooked) Heal(ctl world.Control) error {
	if h.heal != nil {
		return h.heal(ctl)
	}
	return nil
}

func (h *hooked) Recheck(world.Control) (nemesis.Finding, error) {
	return nemesis.Finding{Witness: history.Confirmed}, nil
}

// toy is a target that keeps registers nowhere: a test says how its nodes
// serve and what they do on the way.
type toy struct {
	name     string
	serve    func(env actor.Env, req actor.RequestID, body []byte)
	boot     func(env actor.Env)
	receive  func(env actor.Env)
	ready    func(env actor.Env) bool
	digests  func(env actor.Env) map[string]string
	patterns []string
}

func (t toy) Name() string                               { return t.name }
func (t toy) Doc() string                                { return "what a test wants" }
func (t toy) Settings() []targets.Setting                { return nil }
func (t toy) Bugs() []targets.Bug                        { return nil }
func (t toy) Supports(_ targets.Settings, f string) bool { return f != "cas" }
func (t toy) Promise(targets.Settings) targets.Promise   { return targets.Promise{Level: "eventual"} }
func (t toy) FatalPatterns() []string                    { return t.patterns }
func (t toy) Boot(targets.Settings, []string) (actor.Boot, error) {
	return func(env actor.Env) actor.Node {
		if t.boot != nil {
			t.boot(env)
		}
		return &toyNode{t, env}
	}, nil
}

func (t toy) Client(targets.Settings, string) (func() client.Client, error) {
	return func() client.Client { return toyClient{} }, nil
}

type toyNode struct {
	toy
	env actor.Env
}

func (n *toyNode) Wake() {}

func (n *toyNode) Receive(actor.NodeID, []byte) {
	if n.receive != nil {
		n.receive(n.env)
	}
}

func (n *toyNode) Serve(req actor.RequestID, body []byte) {
	if n.serve != nil {
		n.serve(n.env, req, body)
		return
	}
	n.env.Reply(req, body)
}

func (n *toyNode) Status() actor.Status {
	s := actor.Status{Ready: true}
	if n.ready != nil {
		s.Ready = n.ready(n.env)
	}
	if n.digests != nil {
		s.Digests = n.digests(n.env)
	}
	return s
}

// toyClient sends the name of the operation to its own node: what comes back
// as it was is ok, and anything else a definite error.
type toyClient struct{}

var errRefused = errors.New("refused")

func (toyClient) Invoke(env client.Env, op history.Op) history.Op {
	answer, err := env.Call(env.Node(), []byte(op.F))
	switch {
	case err != nil:
		return client.Broken(op, err, op.F == "read")
	case string(answer) != op.F:
		return client.Fail(op, errRefused.Error())
	case op.F == "read":
		return client.OK(op, history.Nil)
	default:
		return client.OK(op, op.Value)
	}
}
