// Package actor says what a node of a reference system is: a state machine
// that is fed messages, requests, timers and completions of disk operations,
// and that answers through the environment it was given.
//
// A node that keeps the rules below runs unchanged in the simulator (virtual
// time, same seed, same bytes) and in the real runtime (TCP, files, the clock
// of the operating system):
//
//   - it starts no goroutine and blocks on nothing: the runtime calls one
//     method at a time and waits for it to return;
//   - it reads no clock but [Env.Mono] and [Env.Wall], and draws no random
//     number but from [Env.Choices];
//   - it iterates over no map where the order could be seen from outside;
//   - it keeps what must survive a crash on its [Disk], and believes that it
//     is there only once a Sync of the file (and, after a file was created,
//     renamed or removed, a SyncDir) has completed without error.
//
// A node that finds itself in a state that must not be panics. The runtime
// turns this into the death of the process, and the harness into a verdict.
package actor

import (
	"errors"
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/choice"
)

// NodeID numbers the nodes of a cluster from 0. People see n1, n2, and so on.
type NodeID int32

// String returns the name of the node as it stands in histories: n1 for 0.
func (id NodeID) String() string { return fmt.Sprintf("n%d", int32(id)+1) }

// RequestID names a client's request while the node that got it is alive.
type RequestID uint64

// Node is a state machine. The runtime calls its methods one at a time.
type Node interface {
	// Receive takes a message from another node. Messages may be lost,
	// duplicated, delayed and reordered, but they are never altered.
	// The node may keep msg.
	Receive(from NodeID, msg []byte)

	// Serve takes a request of a client. The node answers through Env.Reply
	// at once, later, or never. The node may keep body.
	Serve(req RequestID, body []byte)

	// Wake is called when the time given to Env.WakeAt has come.
	Wake()

	// Status says how the node sees itself and its cluster. It changes nothing.
	Status() Status
}

// Status is what a node says of itself: to those who wait until a cluster is
// ready or has recovered, to faults that look for the leader, and to the
// checker of convergence.
type Status struct {
	// Ready: the node can serve requests as far as it knows.
	Ready bool `json:"ready"`
	// Role is "leader", "follower" or whatever the target calls its roles;
	// Term is the term, epoch or view it is in, 0 where there is none.
	Role string `json:"role"`
	Term uint64 `json:"term"`
	// Applied counts the changes that the node's replica went through.
	Applied uint64 `json:"applied"`
	// Digests are hashes of what the node's replica holds, by the name of the
	// shard: replicas have converged when all nodes that report a shard report
	// the same hash. A node reports only the shards that it is to hold.
	Digests map[string]string `json:"digests,omitempty"`
}

// Commanded is what a node implements that can be told to be Byzantine: to do on
// purpose what no honest node does.
type Commanded interface {
	// Command gives the node an order: the name of something to do from now on,
	// [Honest], or "", which is only a question. It returns what the node does
	// after that, or an error if it knows no such order. A node that is started
	// again is honest.
	Command(order string) (Conduct, error)
}

// Honest is the order to do nothing wrong.
const Honest = "honest"

// Conduct is what a node does that can be told to be Byzantine.
type Conduct struct {
	Doing string `json:"doing"`
	Done  int    `json:"done"` // how often it has done that
}

// Boot makes a node in the state in which its process starts: it knows nothing
// but what it will read from its disk. It is called anew after each restart.
type Boot func(env Env) Node

// Env is all that a node can see of the world and do to it.
// Its methods may be called only from within a call of the node.
type Env interface {
	// Self is this node, Nodes the number of nodes of the cluster.
	Self() NodeID
	Nodes() int

	// Mono is the monotonic clock in nanoseconds, from an arbitrary origin.
	// No fault moves it; all timers run on it.
	Mono() int64
	// Wall is the clock on the wall, in nanoseconds since 1970.
	// Clock faults move it, forwards and backwards.
	Wall() int64
	// WakeAt asks for one call of Wake when Mono reaches t, and replaces what
	// was asked for before. A node that waits for several things keeps them
	// itself and asks for the first.
	WakeAt(t int64)

	// Send sends a message to another node (not to Self) and forgets it.
	// The caller must not change msg afterwards.
	Send(to NodeID, msg []byte)
	// Reply answers a client's request. Answering twice, or a request from
	// before a restart, does nothing. The caller must not change body afterwards.
	Reply(req RequestID, body []byte)

	// Disk is the node's own disk.
	Disk() Disk

	// Choices returns the stream of random numbers for the given purpose.
	// It differs from node to node and from one start of a node to the next.
	Choices(purpose string) *choice.Stream

	// Logf writes a line to the node's log. The runtime adds the time.
	Logf(format string, args ...any)
}

// Disk holds the named files of one node in one flat directory. Operations are
// started in the order of the calls and complete asynchronously, in that same
// order: done is called later, never from within the call. A completed Append
// is in the page cache: it survives the death of the process, but survives a
// loss of power only after a Sync of the file. A name that was created, renamed
// or removed survives only after a SyncDir. Operations that have not completed
// when the process dies may or may not have happened; their done is not called.
type Disk interface {
	// Append adds data at the end of a file, and creates the file if needed.
	// The caller must not change data afterwards.
	Append(name string, data []byte, done func(error))
	// Sync makes the content of a file durable.
	Sync(name string, done func(error))
	// SyncDir makes the names of all files durable.
	SyncDir(done func(error))
	// Read returns the content of a file, or ErrNotExist.
	Read(name string, done func([]byte, error))
	// List returns the names of all files, sorted.
	List(done func([]string, error))
	// Rename gives a file a new name, and replaces what had that name, in one step.
	Rename(from, to string, done func(error))
	// Remove deletes a file, or fails with ErrNotExist.
	Remove(name string, done func(error))
}

// ErrNotExist is the error of a disk operation on a file that is not there.
var ErrNotExist = errors.New("file does not exist")

// Sometimes notes that a path was taken that a sound campaign must take now and
// then: a campaign in which no run elected a leader while a write was under way
// has shown nothing about elections. The runner collects what was noted.
func Sometimes(env Env, fact string) { env.Logf("%s%s", SometimesMark, fact) }

// SometimesMark begins the lines of the log by which facts are noted.
const SometimesMark = "sometimes: "
