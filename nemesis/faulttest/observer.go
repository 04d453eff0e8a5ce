package faulttest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Boot starts a node of the cluster on which the suite works: an observer that
// tells what it sees, and knows nothing of faults.
func Boot(env actor.Env) actor.Node {
	o := &observer{env: env, heard: make([]int, env.Nodes()), began: env.Mono()}
	env.Disk().Read(livesFile, func(lives []byte, _ error) { o.view.Life = len(lives) + 1 })
	env.Disk().Append(livesFile, []byte("x"), nothing)
	env.Disk().Sync(livesFile, nothing)
	env.Disk().SyncDir(func(err error) {
		if err != nil {
			panic("faulttest: the disk does not keep names: " + err.Error())
		}
		o.ready = true
	})
	return o
}

// Files of an observer. Each life and each note is one byte.
const (
	livesFile  = "lives"
	syncedFile = "synced"
	looseFile  = "loose"
)

func nothing(error) {}

// view is what an observer tells of itself.
type view struct {
	Life   int   `json:"life"`   // how often it was started, by its disk
	Wall   int64 `json:"wall"`   // its wall clock
	Uptime int64 `json:"uptime"` // by its monotonic clock
	Heard  []int `json:"heard"`  // by node: the last shout that came from there
	Synced int   `json:"synced"` // notes that were synced
	Loose  int   `json:"loose"`  // notes that were not
}

// observer shouts to the others when it is told to, notes what it hears, and
// writes notes to its disk.
type observer struct {
	env   actor.Env
	ready bool
	began int64
	heard []int
	view  view
}

// Receive notes a shout.
func (o *observer) Receive(from actor.NodeID, msg []byte) {
	if n, err := strconv.Atoi(string(msg)); err == nil {
		o.heard[from] = max(o.heard[from], n)
	}
}

// Serve does what a client of the suite asks for: "shout N", "note" or "look".
func (o *observer) Serve(req actor.RequestID, body []byte) {
	word, arg, _ := bytes.Cut(body, []byte(" "))
	switch string(word) {
	case "shout":
		for to := range actor.NodeID(o.env.Nodes()) {
			if to != o.env.Self() {
				o.env.Send(to, slices.Clone(arg))
			}
		}
		o.env.Reply(req, nil)
	case "note":
		o.note(req)
	case "look":
		o.look(req)
	}
}

// note writes a note to a file that is synced, and then one to a file whose
// name is durable and whose content is not.
func (o *observer) note(req actor.RequestID) {
	disk := o.env.Disk()
	disk.Append(syncedFile, []byte("x"), nothing)
	disk.Sync(syncedFile, nothing)
	disk.Append(looseFile, nil, nothing)
	disk.SyncDir(nothing)
	disk.Append(looseFile, []byte("x"), func(error) { o.env.Reply(req, nil) })
}

// look tells everything.
func (o *observer) look(req actor.RequestID) {
	disk := o.env.Disk()
	disk.Read(syncedFile, func(data []byte, _ error) { o.view.Synced = len(data) })
	disk.Read(looseFile, func(data []byte, _ error) {
		v := o.view
		v.Loose, v.Heard = len(data), o.heard
		v.Wall, v.Uptime = o.env.Wall(), o.env.Mono()-o.began
		answer, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		o.env.Reply(req, answer)
	})
}

// Wake is never asked for.
func (o *observer) Wake() {}

// Status says that the observer is ready once its disk is; the first node
// plays the leader.
func (o *observer) Status() actor.Status {
	role := "follower"
	if o.env.Self() == 0 {
		role = "leader"
	}
	return actor.Status{Ready: o.ready, Role: role, Term: 1}
}
