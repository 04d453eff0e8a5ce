// Command node is a small program for the tests of the Docker world: what a
// user's own binary looks like to this world. It holds the agent and an actor
// that counts, and says what its environment looks like.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/world"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want agent or node")
	}
	switch args[0] {
	case docker.AgentCommand:
		return docker.AgentMain(args[1:])
	case node.Command:
		return node.Main(args[1:], func(json.RawMessage) (actor.Boot, error) { return boot, nil })
	case "controller":
		return control(args[1])
	default:
		return fmt.Errorf("no command %q", args[0])
	}
}

// control deploys two nodes, injects a fault of every kind, says so, and waits
// to be killed. It starts with "deploying", so that the killer can choose.
func control(id string) error {
	fmt.Println("deploying")
	c, err := docker.New(docker.Config{}).Deploy(context.Background(), world.Spec{Run: id, Nodes: 2, OpTimeout: time.Second})
	if err != nil {
		return err
	}
	err = c.Do(func(ctl world.Control) error {
		return errors.Join(
			ctl.Cut([]world.Link{{From: world.Clients, To: 0}, {From: 0, To: 1}}),
			ctl.SetClock(0, time.Hour, 0),
			ctl.Pause(1),
		)
	})
	if err != nil {
		return err
	}
	fmt.Println("faults injected")
	select {}
}

// counter counts what it is told to, on disk, and how often it heard of others.
type counter struct {
	env   actor.Env
	count int   // bytes in the file
	heard []int // heartbeats, by node
}

const beat = int64(20 * time.Millisecond)

func boot(env actor.Env) actor.Node {
	c := &counter{env: env, heard: make([]int, env.Nodes())}
	env.Disk().Read("count", func(data []byte, _ error) { c.count = len(data) })
	env.Logf("booted as %v of %d", env.Self(), env.Nodes())
	c.Wake()
	return c
}

func (c *counter) Receive(from actor.NodeID, _ []byte) { c.heard[from]++ }

func (c *counter) Wake() {
	for i := range c.heard {
		if to := actor.NodeID(i); to != c.env.Self() {
			c.env.Send(to, []byte("beat"))
		}
	}
	c.env.WakeAt(c.env.Mono() + beat)
}

func (c *counter) Status() actor.Status {
	return actor.Status{Ready: true, Role: "counter", Applied: uint64(c.count)}
}

// Serve knows the words echo, add, heard, wall, panic, die and hang.
func (c *counter) Serve(req actor.RequestID, body []byte) {
	word, rest, _ := strings.Cut(string(body), " ")
	switch word {
	case "echo":
		c.env.Reply(req, []byte(rest))
	case "add":
		c.add(req)
	case "heard":
		answer, _ := json.Marshal(c.heard)
		c.env.Reply(req, answer)
	case "wall":
		c.env.Reply(req, fmt.Append(nil, c.env.Wall()))
	case "panic":
		panic("told to")
	case "die":
		c.env.Logf("told to die")
		os.Exit(7)
	case "hang":
		// no answer ever
	}
}

func (c *counter) add(req actor.RequestID) {
	disk := c.env.Disk()
	disk.Append("count", []byte{'+'}, func(error) {})
	disk.Sync("count", func(err error) {
		if err != nil {
			panic(err)
		}
		c.count++
		c.env.Reply(req, fmt.Append(nil, c.count))
	})
}
