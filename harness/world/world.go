// Package world says what a place is in which a test can run.
//
// A test names a target, a workload, faults and a seed; it never names a
// mechanism. A [World] supplies the mechanism: simulated time and links in one,
// containers and packet filters in another. It starts a [Cluster], on which the
// runner drives clients through workers and the nemesis works through
// [Control]. Both are written as blocking calls, and are coroutines in the
// simulator and goroutines elsewhere.
package world

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Capability is something that can be done to a cluster. Faults ask for them
// by name, and a plan that asks for one that a world lacks is refused.
type Capability string

// What the faults of this project ask for.
const (
	Partition Capability = "partition" // cut directed links between nodes
	Kill      Capability = "kill"      // kill and restart processes
	Pause     Capability = "pause"     // stop and continue processes
	Clock     Capability = "clock"     // move one node's wall clock
	Power     Capability = "power"     // lose what was not synced
	Packet    Capability = "packet"    // delay, lose, double and reorder packets
	Byzantine Capability = "byzantine" // tell nodes to do wrong on purpose
)

// World is a place in which clusters can be started.
type World interface {
	// Name is how plans call the world; Doc is a sentence on it.
	Name() string
	Doc() string
	// Support returns nil if the world can do what c says, here and now, and
	// otherwise an error that says why not and what would make it possible.
	Support(ctx context.Context, c Capability) error
	// Deploy starts a cluster: its processes run when it returns. It is up to
	// the caller to wait until they are ready.
	Deploy(ctx context.Context, spec Spec) (Cluster, error)
}

// Spec is all that a world needs to know to start a cluster.
type Spec struct {
	Run     string        // id of the run, unique on this host; every artefact carries it
	Nodes   int           // how many, at least 1
	Choices choice.Source // the randomness of the run
	// Boot starts a node in the simulator. Config is the same for worlds whose
	// nodes are processes: what the hidden command "node" of this binary needs
	// to find the same Boot in its registry.
	Boot   actor.Boot
	Config json.RawMessage
	// OpTimeout ends every operation of a client that has not come back.
	OpTimeout time.Duration
	Log       *slog.Logger
	// Record receives a trace of everything that was delivered, in worlds that
	// repeat themselves exactly; Expect is the trace that this run should
	// repeat. See [Exact]. Other worlds ignore both.
	Record io.Writer
	Expect []byte
}

// Exact is what a cluster implements that repeats itself exactly.
type Exact interface {
	// Divergence describes the first event that was not as in Spec.Expect, and
	// returns "" if there was none. It is to be asked at the end of the run.
	Divergence() string
}

// Cluster is a running cluster, and the loop in which things happen to it.
// Its methods are called from one goroutine.
type Cluster interface {
	// Now is the time since the cluster was deployed, in nanoseconds. All
	// times of a run are on this clock, which never goes back.
	Now() int64

	// AddClient adds a worker that invokes operations on behalf of clients
	// that belong to the given node, and AddNemesis one that acts on the
	// cluster itself. A worker does one operation at a time.
	AddClient(node int, do func(env client.Env, op history.Op) history.Op) Worker
	AddNemesis(do func(ctl Control, op history.Op) history.Op) Worker

	// Start hands op to an idle worker and returns at once. A client's
	// operation that has not come back after Spec.OpTimeout has its calls
	// ended with client.ErrTimeout; one that does not come back even then, or
	// panics, is completed as info by the cluster.
	Start(w Worker, op history.Op)

	// Next waits for the next event, but not beyond the time until. Events
	// come in the order in which they happened.
	Next(until int64) (Event, bool)

	// Do runs f to its end while the cluster goes on, and returns its error.
	// Events that come meanwhile are kept for Next.
	Do(f func(ctl Control) error) error

	// Logs returns what the nodes logged so far, by node and time.
	Logs(ctx context.Context) ([]LogLine, error)

	// Digest covers every byte that was delivered, where a world can repeat
	// itself exactly; "" elsewhere.
	Digest() string

	// Close takes the cluster down and removes all that it left on the host.
	Close(ctx context.Context) error
}

// Worker names a worker of a cluster.
type Worker int

// Event is something that happened to a cluster: an operation of a worker came
// back, a node died that nobody had killed, or the harness lost its hold on a
// node.
type Event struct {
	Time   int64
	Worker Worker     // of the operation
	Op     history.Op // its completion

	Died  bool // a node died instead
	Node  int
	Cause string   // how: the exit status, or the panic
	Lines []string // the last lines that it logged

	// Lost says instead that the harness can no longer inject, heal or see
	// anything on a node, and why: a run ends there, because what comes later
	// would be judged by faults that nobody knows of.
	Lost error
}

// LogLine is a line that a node logged.
type LogLine struct {
	Time int64 // on the clock of the cluster
	Node int
	Text string
}

// Clients stands for all clients at either end of a [Link].
const Clients = -1

// Link is one direction of the connection between two nodes, or between a node
// and the clients.
type Link struct{ From, To int }

// Packets is what a fault makes of the packets on a link, beyond what becomes of
// them on the network anyway. Shares are counts in a million.
type Packets struct {
	Delay   time.Duration // every packet takes so much longer,
	Jitter  time.Duration // and up to so much more, drawn for each
	Loss    int64         // the share that is lost
	Dup     int64         // the share that arrives a second time, up to Behind after the first
	Reorder int64         // the share that is held back for up to Behind, while later ones pass
	Behind  time.Duration
}

// Train is a row of packets of the harness's own: so many, spread over a time.
type Train struct {
	Packets int
	Over    time.Duration
	Wait    time.Duration // for stragglers, beyond what a packet takes on a network that is well
}

// Passage is how a [Train] fared on one link, counted where it arrived.
type Passage struct {
	Sent, Arrived int
	Twice         int           // arrived a second time
	Overtaken     int           // arrived after one that was sent 50 ms later, or later still
	Delay         time.Duration // the median of those that arrived
}

// Control is what the nemesis can do to a cluster and see of it. All calls
// block. An error means that the harness could not do its work, not that the
// system under test is wrong.
type Control interface {
	Nodes() int
	Now() time.Duration
	Sleep(d time.Duration)

	// Cut makes the given links, and no others, lose every packet, those of
	// established connections included. Cut(nil) heals all links.
	Cut(links []Link) error
	// Probe sends a packet of the harness's own across each of the links and
	// reports which arrived, by the same road as the target's messages.
	Probe(links []Link) ([]bool, error)
	// Dropped returns how many packets of the target itself were lost to cuts
	// on each link since the cluster was deployed.
	Dropped() (map[Link]uint64, error)

	// Shape makes the packets on the given links, and on no others, fare as p
	// says. To clients, who talk over TCP, a packet that was lost is one that
	// comes late, and none comes twice. Shape(nil, Packets{}) heals all links.
	Shape(links []Link, p Packets) error
	// Measure sends a train of packets of the harness's own across each of the
	// links, by the same road as the target's messages.
	Measure(links []Link, t Train) ([]Passage, error)
	// Shaped returns how many packets of the target itself fared otherwise
	// because of Shape, on each link since the cluster was deployed.
	Shaped() (map[Link]uint64, error)

	// Kill kills the processes of a node; the page cache survives. Start starts
	// them again.
	Kill(node int) error
	Start(node int) error
	// PowerOff takes the power from nodes in one instant: their processes are
	// killed, and what was not synced is lost, but for what happened to be
	// written. Their disks sag before that.
	PowerOff(nodes []int, sag Sag) error
	// Pause stops the processes of a node where they are; Resume lets them go on.
	Pause(node int) error
	Resume(node int) error
	// Process looks at the process of a node from outside.
	Process(node int) (Process, error)

	// SetClock moves the wall clock that the processes of a node see: by an
	// offset, which then grows by rate nanoseconds for each second. It stays
	// moved through a restart of the node. SetClock(node, 0, 0) heals.
	SetClock(node int, offset time.Duration, rate int64) error
	// Clock has the node's process read its own clocks.
	Clock(node int) (ClockReading, error)

	// Status asks a node how it sees itself, past all cuts. It fails if the
	// node is dead or does not answer in time.
	Status(node int) (actor.Status, error)

	// Noted returns the facts that nodes have noted so far, as actor.Sometimes has
	// it, the rarest first. Await waits until a node notes one of those given, for
	// as long as is given at most, and returns the node, or -1.
	Noted() ([]string, error)
	Await(facts []string, most time.Duration) (int, error)

	// Command gives a node an order, past all cuts, as actor.Commanded has it. It
	// fails if the nodes of the target take none, or this one does not know it.
	Command(node int, order string) (actor.Conduct, error)

	// Disk says what became of canaries, small files of the harness's own that
	// were written to the node's disk with and without a sync just before the
	// last PowerOff.
	Disk(node int) (Canaries, error)
}

// Sag is what becomes of disks before their power goes: for some time, every sync
// that begins takes so much longer, but for the first ones of each disk. One that
// takes longer than the sag lasts does not come to an end.
type Sag struct {
	For, Sync time.Duration
	Spared    int // syncs of each disk that take as long as ever
}

// Process is the state of a node's process.
type Process struct {
	State   string `json:"state"` // "running", "stopped" or "dead"
	PID     int    `json:"pid,omitempty"`
	Starts  int    `json:"starts"`            // how often it was started
	Started int64  `json:"started,omitempty"` // when, on the clock of the cluster
	// Refused counts the target's own messages and requests that met a dead
	// or stopped process since the cluster was deployed: in the simulator,
	// deliveries that were dropped or held; on real nodes, resets that were
	// sent and bytes that wait in its sockets.
	Refused uint64 `json:"refused"`
}

// ClockReading is what a node's process sees on its clocks.
type ClockReading struct {
	Wall  int64  `json:"wall"`  // the wall clock of the process, nanoseconds since 1970
	True  int64  `json:"true"`  // the wall clock of the harness at that moment
	Reads uint64 `json:"reads"` // how often the target itself has read its wall clock since it started
}

// Canaries says what survived a loss of power.
type Canaries struct {
	Synced   bool `json:"synced"`   // the file that was synced is still there: it must be
	Unsynced bool `json:"unsynced"` // the file that was not synced is still there: it may be
	Lost     int  `json:"lost"`     // bytes of the target's own files that were lost
}

// ErrEnvironment is wrapped by errors that are about this machine and not about
// what was asked for: no engine, no permission, no room. The errors themselves
// say what to do.
var ErrEnvironment = errors.New("the environment is not up to it")

// Doctor is what a world implements that can tell more about this machine than
// which faults it supports.
type Doctor interface {
	// Examine looks at everything that the world needs.
	Examine(ctx context.Context) []Examination
}

// Examination is one thing that a Doctor looked at. A nil error means that it
// is as it should be; any other says what to do.
type Examination struct {
	Check string
	Err   error
}
