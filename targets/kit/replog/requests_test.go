package replog

import (
	"fmt"
	"testing"

	"go.etcd.io/raft/v3"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// ask sends a request to a host and waits for the answer.
func ask(t *testing.T, w *world, host int, req request.Request) (reply, int64) {
	t.Helper()
	var got *reply
	start, id := w.now, actor.RequestID(w.seq)
	w.replies = func(_ int, to actor.RequestID, r reply) {
		if to == id {
			got = &r
		}
	}
	w.hosts[host].request(id, req)
	if !w.runUntil(w.now+3000*ms, func() bool { return got != nil }) {
		t.Fatal("no answer within 3 s")
	}
	return *got, w.now - start
}

func electedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(11, 3, Config{})
	if !w.runUntil(3000*ms, w.ready) {
		t.Fatal("no leader")
	}
	return w
}

// follower returns a host that does not lead.
func (w *world) follower() int { return (w.leader().id + 1) % len(w.hosts) }

// TestFollowersForward: any node serves, and answers like the leader.
func TestFollowersForward(t *testing.T) {
	t.Parallel()
	w := electedWorld(t)
	for host := range w.hosts {
		want := reply{request.OK, host + 1, string(rune('a' + host))}
		if r, _ := ask(t, w, host, add(1, uint64(host)+1, want.cmd)); r != want {
			t.Fatalf("a command through n%d: %v", host+1, r)
		}
		for other := range w.hosts {
			if r, _ := ask(t, w, other, look(2, uint64(w.seq))); r != want {
				t.Fatalf("read through n%d: %v, want %v", other+1, r, want)
			}
		}
	}
}

// TestWithoutLeader: a request that never left its node ends definitely and
// soon; a write that did is unknown, a read is not.
func TestWithoutLeader(t *testing.T) {
	t.Parallel()
	w := electedWorld(t)
	alone := w.follower()
	w.isolate(alone)
	if r, _ := ask(t, w, alone, add(1, 1, "a")); r.code != request.Unknown {
		t.Errorf("a write on its way to a leader that was cut off: %v", r)
	}
	w.run(1500 * ms)
	if r, took := ask(t, w, alone, add(1, 2, "b")); r.code != request.Unavailable || took > leaderWait+5*ms {
		t.Errorf("a write at a node without a leader: %v after %d ms", r, took/ms)
	}
	if r, _ := ask(t, w, alone, look(1, 3)); r.code != request.Unavailable {
		t.Errorf("a read at a node without a leader: %v", r)
	}
}

// TestIsolatedLeader: it neither acknowledges writes nor answers reads.
func TestIsolatedLeader(t *testing.T) {
	t.Parallel()
	for local, want := range map[bool]request.Code{false: request.Unavailable, true: request.OK} {
		w := electedWorld(t)
		for _, h := range w.hosts {
			h.node.cfg.LocalReads = local
		}
		leader := w.leader().id
		w.isolate(leader)
		if r, _ := ask(t, w, leader, look(1, 1)); r.code != want {
			t.Errorf("local reads %v: a read at an isolated leader: %v", local, r)
		}
		if local {
			continue
		}
		if r, _ := ask(t, w, leader, add(1, 2, "b")); r.code == request.OK {
			t.Errorf("a write at an isolated leader: %v", r)
		}
	}
}

// TestRetriesAreAppliedOnce: an answer is lost with its leader, and what is
// handed over to the next one is known by its name.
func TestRetriesAreAppliedOnce(t *testing.T) {
	t.Parallel()
	w := electedWorld(t)
	for i := range 4 {
		for host := range w.hosts {
			seq := min(i+1, 2) // all but the first are the second one, again
			want := reply{request.OK, seq, fmt.Sprint(seq)}
			if r, _ := ask(t, w, host, add(1, uint64(seq), want.cmd)); r != want {
				t.Fatalf("command %d through n%d: %v", seq, host+1, r)
			}
		}
	}
	old := w.leader()
	for _, h := range w.hosts { // the next request is committed, but its answer does not come back
		if h != old {
			w.cut[[2]int{old.id, h.id}] = true
		}
	}
	next, want := add(1, 3, "3"), reply{request.OK, 3, "3"}
	via := w.follower()
	w.hosts[via].request(99, next)
	w.run(5 * ms)
	w.heal()
	if r, _ := ask(t, w, via, next); r != want {
		t.Errorf("after a retry: %v", r)
	}
	if r, _ := ask(t, w, via, look(2, 1)); r != want {
		t.Errorf("after a retry the last command is %v", r)
	}
}

// TestReadsWaitForTheirIndex: a leader that knows more to be committed than it
// has applied, as one that was just elected may, does not answer from what it has.
func TestReadsWaitForTheirIndex(t *testing.T) {
	t.Parallel()
	w := electedWorld(t)
	n := w.leader().node
	n.advancing = true // so that the read waits
	n.Serve(1, look(1, 1))
	n.advancing = false
	n.led.ready, n.led.reads = n.led.reads, nil
	n.led.index = n.state.applied + 1
	if n.answerReads(); len(n.led.ready) != 1 || len(n.inbox.open) != 1 {
		t.Fatal("answered too early")
	}
	if r, _ := ask(t, w, w.leader().id, add(1, 2, "b")); r.code != request.OK {
		t.Fatal(r)
	}
	if len(n.led.ready) != 0 || len(n.inbox.open) != 0 {
		t.Fatal("not answered when the entry was applied")
	}
	states := []raft.ReadState{{Index: 70, RequestCtx: []byte{9, 0, 0, 0, 0, 0, 0, 0}}}
	l := leadWork{asked: []read{{}}, round: 9}
	if l.confirm(states); l.index != 70 || len(l.ready) != 1 {
		t.Fatalf("the index of a confirmed round is not heeded: %+v", l)
	}
	l = leadWork{asked: []read{{}}, round: 10}
	if l.confirm(states); len(l.ready) != 0 {
		t.Fatal("the answer to another round is taken for that of this one")
	}
}
