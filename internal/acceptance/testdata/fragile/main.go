// Command fragile is Ordeal with one more target: a node of it panics by itself
// after a while, as programs do.
package main

import (
	"github.com/ordeal-dev/ordeal"
	"github.com/ordeal-dev/ordeal/docs/mytarget"
	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/targets"
)

func main() { ordeal.Main(registry.With(target{mytarget.New()})) }

// target is another one but for n2.
type target struct{ targets.Target }

func (target) Name() string { return "fragile" }

func (t target) Boot(s targets.Settings, bugs []string) (actor.Boot, error) {
	boot, err := t.Target.Boot(s, bugs)
	return func(env actor.Env) actor.Node { return &node{Node: boot(env), self: env.Self()} }, err
}

type node struct {
	actor.Node
	self   actor.NodeID
	served int
}

// Serve panics in the midst of the load.
func (n *node) Serve(id actor.RequestID, body []byte) {
	if n.served++; n.self == 1 && n.served == 30 {
		panic("the cup is full")
	}
	n.Node.Serve(id, body)
}
