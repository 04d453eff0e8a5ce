// Package cp is the store in its consistent mode: one replicated log (package
// replog), whose commands every node applies in the same order to the same keys.
//
// What replog promises is what the mode promises: every operation is
// linearizable, a change is applied once however often it is handed over, and a
// node that can reach no majority refuses to serve. What is added here is the
// machine that holds the keys. The wall clock is read once for each write and kept
// as metadata. Nothing depends on it.
package cp

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// Bug names a defect that can be switched on.
type Bug string

// The bugs of this mode. What is like them in the field is in package zoo.
const (
	CP1  Bug = "CP1"  // the leader reads without asking a quorum whether it leads
	CP2  Bug = "CP2"  // it leads for as long as the clock on the wall says
	CP4  Bug = "CP4"  // what was written is acknowledged, and synced later
	CP8  Bug = "CP8"  // a node whose log is torn begins with none
	CP9  Bug = "CP9"  // snapshots do not say which requests were applied
	CP10 Bug = "CP10" // a request is applied as often as it arrives
	CP11 Bug = "CP11" // no answer in time is called a failure
	CP12 Bug = "CP12" // snapshots are labelled with an entry that is not yet in them
	CP18 Bug = "CP18" // the leader asks a quorum once and never again
	CP19 Bug = "CP19" // a compare-and-set compares before it is replicated
	CP20 Bug = "CP20" // a write is acknowledged before it is replicated
	CP21 Bug = "CP21" // files are renamed before they are synced
)

// Bugs returns them all.
func Bugs() []Bug {
	return []Bug{CP1, CP2, CP4, CP8, CP9, CP10, CP11, CP12, CP18, CP19, CP20, CP21}
}

// Config holds the settings of a node. The zero value is a good one.
type Config struct {
	SnapshotEvery uint64       // entries applied between two snapshots; 0 means 200
	Sessions      int          // clients remembered, the latest ones; 0 means 4096
	Bugs          map[Bug]bool // off unless true
}

// node is one replica.
type node struct {
	*replog.Group
	env     actor.Env
	machine *machine
	bugs    map[Bug]bool
}

// New returns a node that begins to read its disk.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{env: env, machine: newMachine(), bugs: cfg.Bugs}
	n.Group = replog.New(env, settings(cfg), n.machine)
	return n
}

// settings are those of the log.
func settings(cfg Config) replog.Config {
	c := replog.Config{
		Name:           "cp",
		SnapshotEvery:  cfg.SnapshotEvery,
		Sessions:       cfg.Sessions,
		LocalReads:     cfg.Bugs[CP1],
		Lazy:           cfg.Bugs[CP4],
		BareSnapshots:  cfg.Bugs[CP9],
		Forgetful:      cfg.Bugs[CP10],
		Definite:       cfg.Bugs[CP11],
		EarlySnapshots: cfg.Bugs[CP12],
		Hasty:          cfg.Bugs[CP21],
		Amnesiac:       cfg.Bugs[CP8],
	}
	switch {
	case cfg.Bugs[CP2]:
		c.Lease = replog.WallLease
	case cfg.Bugs[CP18]:
		c.Lease = replog.EndlessLease
	}
	return c
}

// Serve takes a request of a client. A change is stamped before it is handed on.
func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	asked, ok := sound(r)
	if err != nil || !ok {
		n.answer(id, kv.BadRequest)
		return
	}
	if n.bugs[CP19] && asked.Op == kv.CAS {
		if n.machine.data[asked.Key].value != asked.Old {
			n.answer(id, kv.Mismatch)
			return
		}
		asked.Op = kv.Put
		r.Body = asked.AppendBody(nil)
	}
	if !r.ReadOnly {
		r.Body = appendStamped(make([]byte, 0, len(r.Body)+8), n.env.Wall(), r.Body)
	}
	if _, known := n.Leader(); known && n.bugs[CP20] && asked.Op == kv.Put {
		n.answer(id, kv.OK)
	}
	n.Group.Serve(id, r)
}

func (n *node) answer(id actor.RequestID, code kv.Code) {
	n.env.Reply(id, kv.Response{Code: code}.AppendTo(nil))
}

// sound returns what a request asks for, and whether the machine can take it.
func sound(r request.Request) (kv.Request, bool) {
	asked, err := kv.ParseBody(r.Body)
	return asked, err == nil && asked.Op.Known() && asked.Op.ReadOnly() == r.ReadOnly
}

// appendStamped and parseStamped are a command: the wall clock of the node that
// took the request, and what was asked for.
func appendStamped(b []byte, stamp int64, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(stamp)), body...)
}

func parseStamped(cmd []byte) (int64, kv.Request, error) {
	if len(cmd) < 8 {
		return 0, kv.Request{}, errShort
	}
	req, err := kv.ParseBody(cmd[8:])
	return int64(binary.LittleEndian.Uint64(cmd)), req, err
}
