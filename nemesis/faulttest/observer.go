package faulttest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Boot starts a node of the cluster on which the suite works: an observer that
// tells what it sees, and knows nothing of faults.
func Boot(env actor.Env) actor.Node {
	o := &observer{env: env, heard: make([]int, env.Nodes()), began: env.Mono()}
	o.view.Tally = make([]tally, env.Nodes())
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

// tally is what a node counted of the packets of bursts from another node. Times
// are by the wall clocks of both.
type tally struct {
	Got       int   `json:"got"`
	Twice     int   `json:"twice"`
	Overtaken int   `json:"overtaken"` // by one that was sent 100 ms later, or later still
	Took      int64 `json:"took"`      // all together
	last      int64 // when the latest that has come was sent
	seen      map[string]bool
}

// view is what an observer tells of itself.
type view struct {
	Life   int   `json:"life"`   // how often it was started, by its disk
	Wall   int64 `json:"wall"`   // its wall clock
	Uptime int64 `json:"uptime"` // by its monotonic clock
	Heard  []int `json:"heard"`  // by node: the last shout that came from there
	Synced int   `json:"synced"` // notes that were synced
	Loose  int   `json:"loose"`  // notes that were not

	Tally []tally `json:"tally"` // by node: what came in bursts from there
}

// observer shouts to the others when it is told to, notes what it hears, and
// writes notes to its disk.
type observer struct {
	env   actor.Env
	burst int // packets that are still to be sent
	ready bool
	began int64
	heard []int
	view  view
}

// Receive notes a shout, or a packet of a burst.
func (o *observer) Receive(from actor.NodeID, msg []byte) {
	if stamp, ok := bytes.CutPrefix(msg, []byte(burstMark)); ok {
		o.view.Tally[from].add(o.env.Wall(), string(stamp))
		return
	}
	if n, err := strconv.Atoi(string(msg)); err == nil {
		o.heard[from] = max(o.heard[from], n)
	}
}

// Serve does what a client of the suite asks for: "shout N", "burst N", "note" or "look".
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
	case "burst":
		o.burst, _ = strconv.Atoi(string(arg))
		o.env.WakeAt(o.env.Mono())
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

// burstMark begins the packets of a burst; what follows is when they were sent.
const burstMark = "burst "

// burstEvery is the time between two packets of a burst.
const burstEvery = int64(2 * time.Millisecond)

// Wake sends the next packet of a burst to all others.
func (o *observer) Wake() {
	if o.burst == 0 {
		return
	}
	o.burst--
	msg := strconv.AppendInt([]byte(burstMark), o.env.Wall(), 10)
	for to := range actor.NodeID(o.env.Nodes()) {
		if to != o.env.Self() {
			o.env.Send(to, msg)
		}
	}
	o.env.WakeAt(o.env.Mono() + burstEvery)
}

// add counts a packet that was sent at the time on its stamp.
func (t *tally) add(now int64, stamp string) {
	if t.seen[stamp] {
		t.Twice++
		return
	}
	sent, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return
	}
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	t.seen[stamp] = true
	t.Got++
	t.Took += now - sent
	if sent+50*burstEvery <= t.last {
		t.Overtaken++
	}
	t.last = max(t.last, sent)
}

// Status says that the observer is ready once its disk is; the first node
// plays the leader.
func (o *observer) Status() actor.Status {
	role := "follower"
	if o.env.Self() == 0 {
		role = "leader"
	}
	return actor.Status{Ready: o.ready, Role: role, Term: 1}
}
