package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// The ports of a node.
const (
	clientPort = 7700
	peerPort   = 7701
)

const (
	// attachTimeout is for the time from a container's start to its agent's greeting.
	attachTimeout = 20 * time.Second
	// teardownTimeout is for taking everything down, however the run ended.
	teardownTimeout = 60 * time.Second
)

// runID is what an id of a run has to look like to be part of names and labels.
var runID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,100}$`)

// deployment is what has been made on the host for one cluster.
type deployment struct {
	world   *World
	spec    world.Spec
	engine  *engine
	log     *slog.Logger
	program program
	network string // id
	subnet  subnet
	members []*member
	origin  int64 // Mono when the first server was started
}

// member is one node, seen from here.
type member struct {
	id        int
	addr      netip.Addr
	container string // id
	agent     *agent.Client
	conn      *node.Conn
	command   agent.Command
	logs      nodeLog
}

func (m *member) name() string { return actor.NodeID(m.id).String() }

// Deploy implements world.World.
func (w *World) Deploy(ctx context.Context, spec world.Spec) (world.Cluster, error) {
	if err := checkNodes(spec.Nodes); err != nil {
		return nil, err
	}
	if !runID.MatchString(spec.Run) {
		return nil, fmt.Errorf("docker world: %q cannot be the id of a run: use letters, digits, dots, dashes and underscores", spec.Run)
	}
	d, err := w.deploy(ctx, spec)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(d)
	if err != nil {
		return nil, errors.Join(err, d.down(ctx))
	}
	return c, nil
}

// deploy makes everything up to running servers, or nothing.
func (w *World) deploy(ctx context.Context, spec world.Spec) (*deployment, error) {
	log := spec.Log
	if log == nil {
		log = w.cfg.Log
	}
	e, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	d := &deployment{world: w, spec: spec, engine: e, log: log}
	if err := d.up(ctx); err != nil {
		if ctx.Err() != nil { // what failed, failed because of that
			err = fmt.Errorf("broken off while the cluster was being made, and taken down: %w", context.Cause(ctx))
		}
		return nil, errors.Join(err, d.down(ctx))
	}
	return d, nil
}

func (d *deployment) up(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"image and network", d.makeImageAndNetwork},
		{"nodes", d.makeNodes},
		{"servers", d.startServers},
	}
	for _, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("deploy %s: %w", s.name, err)
		}
		d.log.Debug("deployed", "what", s.name, "took", time.Since(began))
	}
	return nil
}

func (d *deployment) makeImageAndNetwork(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if d.program, err = findBinary(d.world.cfg.Binary); err != nil {
			return err
		}
		return ensureImage(ctx, d.engine, d.program)
	})
	g.Go(func() (err error) {
		d.network, d.subnet, err = makeNetwork(ctx, d.engine, d.spec.Run, "ordeal-"+d.spec.Run)
		return err
	})
	return g.Wait()
}

// makeNodes makes the containers, starts them and attaches to their agents.
func (d *deployment) makeNodes(ctx context.Context) error {
	peers := make([]string, d.spec.Nodes)
	for i := range peers {
		m := &member{id: i, addr: d.subnet.node(i)}
		m.conn = node.NewConn(netip.AddrPortFrom(m.addr, clientPort).String())
		d.members = append(d.members, m)
		peers[i] = netip.AddrPortFrom(m.addr, peerPort).String()
	}
	for _, m := range d.members {
		m.command = d.server(m, peers)
	}
	return d.each(ctx, d.makeNode)
}

// server is the command that an agent is to start.
func (d *deployment) server(m *member, peers []string) agent.Command {
	o := node.Options{
		Self:       actor.NodeID(m.id),
		Peers:      peers,
		ClientAddr: fmt.Sprintf(":%d", clientPort),
		DataDir:    dataDir,
		Seed:       d.spec.Choices.Seed(),
		Config:     d.spec.Config,
	}
	return agent.Command{
		Argv:  append([]string{"self"}, o.Args()...),
		Dir:   volumeDir,
		Ports: []uint16{clientPort, peerPort},
	}
}

// each does something with all nodes at once.
func (d *deployment) each(ctx context.Context, do func(context.Context, *member) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range d.members {
		g.Go(func() error {
			if err := do(ctx, m); err != nil {
				return fmt.Errorf("%s: %w", m.name(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// makeNode does not break off what the engine is doing: it would go on with it
// and leave a container behind that teardown did not see.
func (d *deployment) makeNode(ctx context.Context, m *member) error {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if m.container, err = createFrom(whole, d.engine, d.program, d.container(m)); err != nil {
		return environment("create container: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.engine.startContainer(whole, m.container); err != nil {
		return environment("start container: %w", err)
	}
	return d.attach(ctx, m)
}

func (d *deployment) container(m *member) containerSpec {
	return containerSpec{
		name:      fmt.Sprintf("ordeal-%s-%s", d.spec.Run, m.name()),
		hostname:  m.name(),
		network:   d.network,
		address:   m.addr.String(),
		command:   []string{binaryPath, AgentCommand, "-name", m.name(), "-log", logFile},
		dataDir:   volumeDir,
		memory:    d.world.cfg.Memory,
		processes: d.world.cfg.PIDs,
		labels:    runLabels(d.spec.Run),
	}
}

// attach opens the stream to an agent. An agent that died says why on its output.
func (d *deployment) attach(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	raw, err := d.engine.exec(ctx, m.container, binaryPath, AgentCommand, "attach")
	if err != nil {
		return environment("attach to agent: %w: %s", err, d.engine.output(context.WithoutCancel(ctx), m.container))
	}
	m.agent, err = agent.Dial(ctx, newExecStream(raw))
	if err != nil {
		return environment("attach to agent: %w: %s", err, d.engine.output(context.WithoutCancel(ctx), m.container))
	}
	return nil
}

func (d *deployment) startServers(ctx context.Context) error {
	d.origin = proc.Mono()
	return d.each(ctx, func(ctx context.Context, m *member) error {
		_, err := m.agent.Start(ctx, m.command)
		return err
	})
}

// down removes everything of the run from the host. It goes on whatever fails,
// and whether or not ctx has ended.
func (d *deployment) down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	for _, m := range d.members {
		_ = m.conn.Close()
	}
	_, err := removeRun(ctx, d.engine, d.spec.Run)
	for _, m := range d.members {
		if m.agent != nil {
			_ = m.agent.Close()
		}
	}
	return errors.Join(err, d.engine.Close())
}
