package agent

import (
	"net/netip"
	"time"
)

// Protocol is the version of the protocol. Controller and agent must agree.
const Protocol = 1

// Hello is the agent's greeting to a controller that attached.
type Hello struct {
	Protocol  int           `json:"protocol"`
	Name      string        `json:"name"`      // of the node, as in Config
	PID       int           `json:"pid"`       // of the agent, in its own PID namespace
	Mono      int64         `json:"mono"`      // the agent's Mono when it greeted
	Heartbeat time.Duration `json:"heartbeat"` // how often the controller has to be heard
	Lease     time.Duration `json:"lease"`     // after how much silence every fault heals
	ProbePort uint16        `json:"probePort"` // the UDP port of the responder
}

// Command is a server to start.
type Command struct {
	Argv []string `json:"argv"`          // Argv[0] is a path; "self" is the agent's own binary
	Env  []string `json:"env"`           // the whole environment; the agent's own if nil
	Dir  string   `json:"dir,omitempty"` // working directory, "/" if empty
	// Ports are the TCP ports on which the server is reached. They tell the
	// target's own packets from others, and are watched for Process.Refused.
	Ports []uint16 `json:"ports,omitempty"`
}

// The states of a server.
const (
	Running = "running"
	Stopped = "stopped"
	Dead    = "dead"
)

// Process is the state of the server as /proc showed it.
type Process struct {
	State   string `json:"state"`             // Running, Stopped (all of the tree) or Dead
	PID     int    `json:"pid,omitempty"`     // of the server, in the agent's PID namespace
	Starts  int    `json:"starts"`            // how often it was started
	Started int64  `json:"started,omitempty"` // when, Mono
	// Refused counts what met a dead or stopped server: TCP resets that were
	// sent while it was dead, and bytes and connections of others than the
	// harness that waited in its sockets while it was stopped.
	Refused uint64 `json:"refused"`
	Tree    []Task `json:"tree,omitempty"` // the server and all that it started
	Exit    *Exit  `json:"exit,omitempty"` // how it ended last
}

// Task is one process of the server's tree.
type Task struct {
	PID   int    `json:"pid"`
	PPID  int    `json:"ppid"`
	State string `json:"state"` // the letter of /proc/PID/stat: "R", "S", "T", …
	Start uint64 `json:"start"` // start time in clock ticks since boot: tells two processes with one PID apart
	Name  string `json:"name"`
}

// Exit says how a server ended.
type Exit struct {
	PID      int      `json:"pid"`
	Cause    string   `json:"cause"` // "exit status 2", "signal: segmentation fault"
	Code     int      `json:"code"`  // exit status, -1 after a signal
	Provoked bool     `json:"provoked"`
	Mono     int64    `json:"mono"`
	Lines    []string `json:"lines,omitempty"` // the last lines that it logged
}

// Signalled says which processes a signal was sent to, and what became of them.
type Signalled struct {
	Signal  string  `json:"signal"`
	PIDs    []int   `json:"pids"`
	Process Process `json:"process"` // as seen afterwards
}

// Drop says what is to be lost between this node and one peer. In loses what
// comes from the peer: that is the link from the peer to this node, and the
// side on which a link between two nodes is cut. Out loses what goes to the
// peer, and is for peers that have no agent, like the clients.
type Drop struct {
	Peer netip.Addr `json:"peer"`
	In   bool       `json:"in,omitempty"`
	Out  bool       `json:"out,omitempty"`
}

// Cut is a set of drops that replaces all earlier ones.
type Cut struct {
	Drops []Drop `json:"drops"`
	// Ports are the TCP and UDP ports of the system under test on any node: a
	// dropped packet from or to one of them is the target's own. The port of
	// the responder is known to the agent.
	Ports []uint16 `json:"ports"`
}

// Rules is what the kernel holds of our table, read back after a change.
type Rules struct {
	Table   string   `json:"table"`
	Rules   []string `json:"rules"` // one line each: "input drop from 10.0.0.2 target"
	Packets []Count  `json:"packets"`
}

// The classes of dropped packets.
const (
	ClassTarget = "target" // from or to a port of the system under test
	ClassProbe  = "probe"  // from or to the responder's port
	ClassOther  = "other"
)

// Count is how many packets were dropped since the agent started, over all cuts.
type Count struct {
	Peer    netip.Addr `json:"peer"`
	Out     bool       `json:"out"` // towards the peer; else from it
	Class   string     `json:"class"`
	Packets uint64     `json:"packets"`
	Bytes   uint64     `json:"bytes"`
}

// Arrival says whether a probe arrived at a responder.
type Arrival struct {
	Arrived bool           `json:"arrived"`
	From    netip.AddrPort `json:"from"`
	Mono    int64          `json:"mono,omitempty"`
}

// Clock says what the wall clock of the server's processes was set to.
type Clock struct {
	Offset int64   `json:"offset"` // nanoseconds, at the time of the reply
	Rate   int64   `json:"rate"`   // nanoseconds that Offset grows by each second
	Mono   int64   `json:"mono"`   // when Offset was true
	Tasks  []Patch `json:"tasks"`  // every process of the tree
}

// Patch is the state of one process's vDSO, read back from its memory.
type Patch struct {
	PID      int      `json:"pid"`
	Patched  bool     `json:"patched"`
	Pristine bool     `json:"pristine"`          // every byte is the kernel's
	Offset   int64    `json:"offset"`            // nanoseconds, 0 if not patched
	Symbols  []string `json:"symbols,omitempty"` // the functions that were redirected
	Sum      string   `json:"sum"`               // SHA-256 of the whole vDSO, hexadecimal
}

// Exchange is a conversation with a server on this node's loopback interface,
// which is never cut: Data is sent and an answer is read.
type Exchange struct {
	Port uint16 `json:"port"`
	Data []byte `json:"data"`
	// Until ends the answer, and is part of it. If it is empty the sending
	// side is closed after Data, and the answer ends with the stream.
	Until []byte `json:"until,omitempty"`
	// Timeout is for the whole conversation: 1 s if 0.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Event is something that happened on a node without being asked for.
type Event struct {
	Exit *Exit `json:"exit,omitempty"` // the server ended by itself
}

type (
	probeRequest struct {
		To    netip.AddrPort `json:"to"`
		Nonce uint64         `json:"nonce"`
	}
	arrivalRequest struct {
		Nonce uint64        `json:"nonce"`
		Wait  time.Duration `json:"wait"`
	}
	clockRequest struct {
		Offset time.Duration `json:"offset"`
		Rate   int64         `json:"rate"`
	}
	exchangeReply struct {
		Data []byte `json:"data"`
	}
	none struct{}
)

// The operations of the protocol.
const (
	opHello    = "hello"
	opBeat     = "beat"
	opStart    = "start"
	opKill     = "kill"
	opPause    = "pause"
	opResume   = "resume"
	opProcess  = "process"
	opCut      = "cut"
	opRules    = "rules"
	opProbe    = "probe"
	opArrival  = "arrival"
	opSetClock = "set-clock"
	opClock    = "clock"
	opExchange = "exchange"
	opHeal     = "heal"
	opShutdown = "shutdown"
)
