// Package actortest is what every runtime of actors has to pass: the simulator,
// and the real one with TCP, files and the clock of the operating system. An
// actor that was tested in one then meets nothing new in the other.
//
// A runtime calls [Run] from a test of its own and says how a cluster is
// deployed:
//
//	func TestConformance(t *testing.T) {
//		actortest.Run(t, func(t *testing.T, nodes int, boot actor.Boot) actortest.Cluster { … })
//	}
//
// The suite deploys small clusters of actors that do what their requests say,
// and looks at nothing but the answers. What a loss of power does is not part
// of it, because no process can bring that about on a real machine.
package actortest

import (
	"errors"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
)

// Cluster is what the suite needs of a cluster. Its methods are called from
// one goroutine.
type Cluster interface {
	// Call sends a request to a node and waits for the answer, with the errors
	// of client.Env. It gives up after a second or so, with client.ErrTimeout.
	Call(node int, body []byte) ([]byte, error)
	// Kill ends the process of a node as a signal would, without warning.
	Kill(node int) error
	// Start starts the process of a dead node, and returns when it takes requests.
	Start(node int) error
}

// Deploy starts a cluster of actors and returns when all nodes take requests.
// It takes care that the cluster ends with the test.
type Deploy func(t *testing.T, nodes int, boot actor.Boot) Cluster

// Run tests the runtime that deploy starts clusters of.
func Run(t *testing.T, deploy Deploy) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, deploy Deploy)
	}{
		{"Identity", testIdentity},
		{"Disk", testDisk},
		{"DiskOutlivesProcess", testDiskOutlivesProcess},
		{"DiskTakesManyOperations", testDiskTakesManyOperations},
		{"Timer", testTimer},
		{"Clocks", testClocks},
		{"Messages", testMessages},
		{"Requests", testRequests},
		{"RequestOfEarlierLife", testRequestOfEarlierLife},
		{"Unanswered", testUnanswered},
		{"Restart", testRestart},
		{"Choices", testChoices},
		{"Panic", testPanic},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, deploy)
		})
	}
}

// puppet is an actor made of functions. Those that are nil do nothing.
type puppet struct {
	receive func(from actor.NodeID, msg []byte)
	serve   func(req actor.RequestID, body []byte)
	wake    func()
}

// Receive implements actor.Node.
func (p *puppet) Receive(from actor.NodeID, msg []byte) {
	if p.receive != nil {
		p.receive(from, msg)
	}
}

// Serve implements actor.Node.
func (p *puppet) Serve(req actor.RequestID, body []byte) {
	if p.serve != nil {
		p.serve(req, body)
	}
}

// Wake implements actor.Node.
func (p *puppet) Wake() {
	if p.wake != nil {
		p.wake()
	}
}

// Status implements actor.Node.
func (p *puppet) Status() actor.Status { return actor.Status{Ready: true} }

// call makes a call that has to succeed.
func call(t *testing.T, c Cluster, node int, body string) string {
	t.Helper()
	answer, err := c.Call(node, []byte(body))
	if err != nil {
		t.Fatalf("call of %q on node %d: %v", body, node, err)
	}
	return string(answer)
}

// expect makes a call that has to have the given answer.
func expect(t *testing.T, c Cluster, node int, body, want string) {
	t.Helper()
	if got := call(t, c, node, body); got != want {
		t.Errorf("%q on node %d was answered with %q, want %q", body, node, got, want)
	}
}

// expectError makes a call on the first node that has to fail in the given way.
func expectError(t *testing.T, c Cluster, body string, want error) {
	t.Helper()
	if answer, err := c.Call(0, []byte(body)); !errors.Is(err, want) {
		t.Errorf("%q on node 0 ended with %q and error %v, want %v", body, answer, err, want)
	}
}

// restart kills the first node and starts it again.
func restart(t *testing.T, c Cluster) {
	t.Helper()
	if err := c.Kill(0); err != nil {
		t.Fatalf("kill of node 0: %v", err)
	}
	expectError(t, c, "", client.ErrUnavailable)
	if err := c.Start(0); err != nil {
		t.Fatalf("start of node 0: %v", err)
	}
}
