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

// The bugs of this mode.
const (
	// CP1: the leader answers reads from its own state without asking a
	// quorum whether it still leads (etcd 0.4.1, Consul's stale reads).
	CP1 Bug = "CP1"
	// CP4: entries, terms and votes are acknowledged when they were written,
	// and synced about once a second (NATS JetStream 2.12.1).
	CP4 Bug = "CP4"
)

// Config holds the settings of a node. The zero value is a good one.
type Config struct {
	SnapshotEvery uint64       // entries applied between two snapshots; 0 means 1000
	Sessions      int          // clients remembered, the latest ones; 0 means 4096
	Bugs          map[Bug]bool // off unless true
}

// node is one replica.
type node struct {
	*replog.Group
	env actor.Env
}

// New returns a node that begins to read its disk.
func New(env actor.Env, cfg Config) actor.Node {
	return &node{env: env, Group: replog.New(env, replog.Config{
		Name:          "cp",
		SnapshotEvery: cfg.SnapshotEvery,
		Sessions:      cfg.Sessions,
		LocalReads:    cfg.Bugs[CP1],
		Lazy:          cfg.Bugs[CP4],
	}, newMachine())}
}

// Serve takes a request of a client. A change is stamped before it is handed on.
func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil || !sound(r) {
		n.env.Reply(id, kv.Response{Code: kv.BadRequest}.AppendTo(nil))
		return
	}
	if !r.ReadOnly {
		r.Body = appendStamped(make([]byte, 0, len(r.Body)+8), n.env.Wall(), r.Body)
	}
	n.Group.Serve(id, r)
}

// sound reports whether a request is one that the machine can take.
func sound(r request.Request) bool {
	asked, err := kv.ParseBody(r.Body)
	return err == nil && asked.Op.Known() && asked.Op.ReadOnly() == r.ReadOnly
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
