package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	actortest.Run(t, func(t *testing.T, nodes int, boot actor.Boot) actortest.Cluster {
		return deploy(t, nodes, boot)
	})
}

// localCluster runs nodes in this process, each as its own Run.
type localCluster struct {
	t     *testing.T
	nodes []*localNode
}

type localNode struct {
	cfg  Config
	conn *Conn
	log  *logBuffer
	stop context.CancelFunc
	done chan error // the result of Run
}

func deploy(t *testing.T, nodes int, boot actor.Boot) *localCluster {
	t.Helper()
	c := &localCluster{t: t}
	peers := make([]string, nodes)
	for i := range nodes {
		peer, clients := listenLocal(t), listenLocal(t)
		peers[i] = peer.Addr().String()
		n := &localNode{log: &logBuffer{}, conn: NewConn(clients.Addr().String())}
		n.cfg = Config{
			Self: actor.NodeID(i), Peers: peers, ClientAddr: clients.Addr().String(),
			DataDir: filepath.Join(t.TempDir(), "data"), Seed: choice.New(7), Boot: boot, Log: n.log,
			PeerListener: peer, ClientListener: clients,
		}
		c.nodes = append(c.nodes, n)
	}
	for i, n := range c.nodes {
		if err := c.Start(i); err != nil {
			t.Fatal(err)
		}
		n.cfg.PeerListener, n.cfg.ClientListener = nil, nil // later starts listen themselves
	}
	t.Cleanup(func() {
		for i, n := range c.nodes {
			_ = n.conn.Close()
			if err := c.Kill(i); err != nil {
				t.Log(err)
			}
		}
	})
	return c
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (c *localCluster) Call(node int, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.nodes[node].conn.Call(ctx, body)
}

func (c *localCluster) Kill(node int) error {
	n := c.nodes[node]
	if n.stop == nil {
		return nil
	}
	n.stop()
	n.stop = nil
	return <-n.done
}

// Start starts a node and waits until it answers.
func (c *localCluster) Start(node int) error {
	n := c.nodes[node]
	life, stop := context.WithCancel(context.Background())
	n.stop, n.done = stop, make(chan error, 1)
	cfg, done := n.cfg, n.done
	go func() { done <- Run(life, cfg) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := n.conn.Status(ctx); err == nil {
			return nil
		}
		select {
		case err := <-done:
			done <- err
			return fmt.Errorf("node %d ended at its start: %w", node, err)
		default:
		}
	}
	return errors.New("node does not answer")
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
