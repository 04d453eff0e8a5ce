package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

const (
	// callTimeout is for one request to an agent.
	callTimeout = 10 * time.Second
	// statusTimeout is for a question to a server, which may be hanging.
	statusTimeout = time.Second
	// probeWait is how long a probe is waited for. On a link that works it
	// takes less than a millisecond, but hosts may be busy.
	probeWait = 400 * time.Millisecond
	// maxProbes bounds the probes under way: an agent takes 64 requests at a time.
	maxProbes = 24
)

// control is the cluster as the nemesis sees it.
type control cluster

var _ world.Control = (*control)(nil)

func (c *control) Nodes() int            { return len(c.members) }
func (c *control) Now() time.Duration    { return time.Duration((*cluster)(c).Now()) }
func (c *control) Sleep(d time.Duration) { sleep(c.ctx, d) }

// member checks the number of a node.
func (c *control) member(node int) (*member, error) {
	if node < 0 || node >= len(c.members) {
		return nil, fmt.Errorf("there is no node %d: they are 0 to %d", node, len(c.members)-1)
	}
	return c.members[node], nil
}

// ask has one request to the agent of a node answered.
func ask[T any](c *control, id int, request func(context.Context, *agent.Client) (T, error)) (T, error) {
	var zero T
	m, err := c.member(id)
	if err != nil {
		return zero, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	answer, err := request(ctx, m.agent)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", m.name(), err)
	}
	return answer, nil
}

// Cut implements world.Control. A link is cut at its receiver, and one to the
// clients at its sender, because the clients have no agent.
func (c *control) Cut(links []world.Link) error {
	cuts := make([]agent.Cut, len(c.members))
	for i := range cuts {
		cuts[i].Ports = []uint16{clientPort, peerPort}
	}
	for _, l := range links {
		if err := c.checkLink(l); err != nil {
			return err
		}
		at, drop := l.To, agent.Drop{Peer: c.address(l.From), In: true}
		if l.To == world.Clients {
			at, drop = l.From, agent.Drop{Peer: c.address(l.To), Out: true}
		}
		cuts[at].Drops = append(cuts[at].Drops, drop)
	}
	// Every node is told, whatever becomes of the others: what can be healed is healed.
	errs := make([]error, len(cuts))
	var g errgroup.Group
	for i := range cuts {
		g.Go(func() error {
			_, errs[i] = ask(c, i, func(ctx context.Context, a *agent.Client) (agent.Rules, error) { return a.Cut(ctx, cuts[i]) })
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

func (c *control) checkLink(l world.Link) error {
	if l.From == l.To {
		return fmt.Errorf("link from %d to itself", l.From)
	}
	for _, end := range []int{l.From, l.To} {
		if end == world.Clients {
			continue
		}
		if _, err := c.member(end); err != nil {
			return err
		}
	}
	return nil
}

// address returns the address of a node, or that of the clients.
func (c *control) address(node int) netip.Addr {
	if node == world.Clients {
		return c.subnet.gateway()
	}
	return c.subnet.node(node)
}

// Probe implements world.Control.
func (c *control) Probe(links []world.Link) ([]bool, error) {
	arrived := make([]bool, len(links))
	var g errgroup.Group
	g.SetLimit(maxProbes)
	for i, l := range links {
		if err := c.checkLink(l); err != nil {
			return nil, err
		}
		g.Go(func() (err error) {
			arrived[i], err = c.probe(l)
			return err
		})
	}
	return arrived, g.Wait()
}

func (c *control) probe(l world.Link) (bool, error) {
	nonce := c.nonces.Add(1)
	if err := c.sendProbe(l, nonce); err != nil {
		return false, err
	}
	if l.To == world.Clients {
		ctx, cancel := context.WithTimeout(c.ctx, probeWait)
		defer cancel()
		return c.probes.Arrived(ctx, nonce).Arrived, nil
	}
	a, err := ask(c, l.To, func(ctx context.Context, a *agent.Client) (agent.Arrival, error) {
		return a.ProbeArrived(ctx, nonce, probeWait)
	})
	return a.Arrived, err
}

func (c *control) sendProbe(l world.Link, nonce uint64) error {
	to := c.probes.Addr()
	if l.To != world.Clients {
		to = netip.AddrPortFrom(c.address(l.To), c.members[l.To].agent.Hello().ProbePort)
	}
	if l.From == world.Clients {
		return c.probes.Send(to, nonce)
	}
	_, err := ask(c, l.From, func(ctx context.Context, a *agent.Client) (struct{}, error) {
		return struct{}{}, a.SendProbe(ctx, to, nonce)
	})
	return err
}

// Dropped implements world.Control.
func (c *control) Dropped() (map[world.Link]uint64, error) {
	who := map[netip.Addr]int{c.address(world.Clients): world.Clients}
	for i := range c.members {
		who[c.address(i)] = i
	}
	dropped := make(map[world.Link]uint64)
	for i := range c.members {
		rules, err := ask(c, i, func(ctx context.Context, a *agent.Client) (agent.Rules, error) { return a.Rules(ctx) })
		if err != nil {
			return nil, err
		}
		for _, n := range rules.Packets {
			peer, known := who[n.Peer]
			if !known || n.Class != agent.ClassTarget {
				continue
			}
			link := world.Link{From: peer, To: i}
			if n.Out {
				link = world.Link{From: i, To: peer}
			}
			dropped[link] += n.Packets
		}
	}
	return dropped, nil
}

// Kill implements world.Control.
func (c *control) Kill(node int) error {
	_, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Signalled, error) { return a.Kill(ctx) })
	return err
}

// PowerOff implements world.Control.
func (c *control) PowerOff([]int, world.Sag) error {
	return fmt.Errorf("%w: power", ErrUnsupported)
}

// Shape implements world.Control.
func (c *control) Shape([]world.Link, world.Packets) error {
	return fmt.Errorf("%w: packet", ErrUnsupported)
}

// Measure implements world.Control.
func (c *control) Measure([]world.Link, world.Train) ([]world.Passage, error) {
	return nil, fmt.Errorf("%w: packet", ErrUnsupported)
}

// Shaped implements world.Control.
func (c *control) Shaped() (map[world.Link]uint64, error) {
	return nil, fmt.Errorf("%w: packet", ErrUnsupported)
}

// Start implements world.Control.
func (c *control) Start(node int) error {
	_, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Process, error) {
		return a.Start(ctx, c.members[node].command)
	})
	return err
}

// Pause implements world.Control.
func (c *control) Pause(node int) error {
	_, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Signalled, error) { return a.Pause(ctx) })
	return err
}

// Resume implements world.Control.
func (c *control) Resume(node int) error {
	_, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Signalled, error) { return a.Resume(ctx) })
	return err
}

// Process implements world.Control.
func (c *control) Process(node int) (world.Process, error) {
	p, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Process, error) { return a.Process(ctx) })
	if err != nil {
		return world.Process{}, err
	}
	seen := world.Process{State: p.State, PID: p.PID, Starts: p.Starts, Refused: p.Refused}
	if p.Started != 0 {
		seen.Started = p.Started - c.origin
	}
	return seen, nil
}

// SetClock implements world.Control.
func (c *control) SetClock(node int, offset time.Duration, rate int64) error {
	_, err := ask(c, node, func(ctx context.Context, a *agent.Client) (agent.Clock, error) {
		return a.SetClock(ctx, offset, rate)
	})
	return err
}

// Clock implements world.Control. The node reads both its clocks at one
// moment, and the monotonic one tells what time it was here at that moment.
func (c *control) Clock(node int) (world.ClockReading, error) {
	s, err := c.runtimeStatus(node)
	if err != nil {
		return world.ClockReading{}, err
	}
	here := time.Now().UnixNano() - (proc.Mono() - s.Mono)
	return world.ClockReading{Wall: s.Wall, True: here, Reads: s.WallReads}, nil
}

// Status implements world.Control.
func (c *control) Status(node int) (actor.Status, error) {
	s, err := c.runtimeStatus(node)
	return s.Status, err
}

// runtimeStatus asks a server through its agent, on the loopback interface.
func (c *control) runtimeStatus(id int) (node.RuntimeStatus, error) {
	answer, err := ask(c, id, func(ctx context.Context, a *agent.Client) ([]byte, error) {
		return a.Exchange(ctx, agent.Exchange{
			Port:    clientPort,
			Data:    node.StatusRequest(),
			Until:   []byte(node.StatusEnd),
			Timeout: statusTimeout,
		})
	})
	if err != nil {
		return node.RuntimeStatus{}, err
	}
	return node.ParseStatus(answer)
}

// Noted implements world.Control. What nodes note stands in their logs, which come
// when all is over.
func (c *control) Noted() ([]string, error) {
	return nil, fmt.Errorf("%w: facts while they are noted", ErrUnsupported)
}

// Await implements world.Control.
func (c *control) Await([]string, time.Duration) (int, error) {
	return -1, fmt.Errorf("%w: facts while they are noted", ErrUnsupported)
}

// Command implements world.Control.
func (c *control) Command(int, string) (actor.Conduct, error) {
	return actor.Conduct{}, fmt.Errorf("%w: orders to nodes", ErrUnsupported)
}

// Disk implements world.Control.
func (c *control) Disk(int) (world.Canaries, error) {
	return world.Canaries{}, fmt.Errorf("%w: canaries of a loss of power", ErrUnsupported)
}

func stack() string { return string(debug.Stack()) }
