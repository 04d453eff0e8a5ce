package agent

import (
	"errors"
	"io"
	"log/slog"
	"time"
)

// What Config holds if it is left empty.
const (
	DefaultSocket    = "@ordeal-agent"
	DefaultLog       = "/var/log/ordeal/server.log"
	DefaultTable     = "ordeal"
	DefaultProbePort = 7717
	DefaultHeartbeat = time.Second
	DefaultLease     = 3 * time.Second
	DefaultAttach    = 30 * time.Second
	DefaultOrphan    = 30 * time.Second
	DefaultLogLimit  = 256 << 20
)

// Config says how an agent serves. The zero value is what a container needs.
type Config struct {
	Name string // of the node, for greetings and logs
	// Socket is the abstract Unix socket to listen on: its name starts with
	// "@" and is seen in one network namespace only. DefaultSocket if empty.
	Socket string
	// Heartbeat is how often a controller is to be heard, and Lease the silence
	// after which every fault heals: 1 s and 3 s if 0.
	Heartbeat, Lease time.Duration
	// Attach is how long the agent waits for its first controller, and Orphan
	// how long it stays without one after that: 30 s each if 0. Then it ends.
	Attach, Orphan time.Duration
	// ProbePort is the UDP port of the responder: DefaultProbePort if 0.
	ProbePort uint16
	// Table is the name of the nftables table that holds the cuts.
	Table string
	// LogFile gets what the server writes to its standard output and error, up
	// to LogLimit bytes: DefaultLog and 256 MiB if empty.
	LogFile  string
	LogLimit int64
	// Subreaper makes the agent adopt and reap all that the server leaves
	// behind. It is always so for PID 1. It is for processes that have no other
	// children, because it reaps them all.
	Subreaper bool
	Log       *slog.Logger // of the agent itself; nothing if nil
}

// validate fills in what was left empty and says what cannot be.
func (c *Config) validate() error {
	setDefault(&c.Socket, DefaultSocket)
	setDefault(&c.Heartbeat, DefaultHeartbeat)
	setDefault(&c.Lease, DefaultLease)
	setDefault(&c.Attach, DefaultAttach)
	setDefault(&c.Orphan, DefaultOrphan)
	setDefault(&c.ProbePort, DefaultProbePort)
	setDefault(&c.Table, DefaultTable)
	setDefault(&c.LogFile, DefaultLog)
	setDefault(&c.LogLimit, DefaultLogLimit)
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Socket[0] != '@' {
		return errors.New("agent: the name of the socket must start with @: only abstract sockets vanish with their owner")
	}
	if c.Lease <= c.Heartbeat {
		return errors.New("agent: the lease must be longer than the time between heartbeats")
	}
	return nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
