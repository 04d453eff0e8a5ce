package node

import (
	"bytes"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
)

// lab is the world of one node of three: what it sends is kept.
type lab struct {
	*actortest.Alone
	sent []letter
}

type letter struct {
	to actor.NodeID
	m  message
}

func (l *lab) Send(to actor.NodeID, b []byte) {
	if m, err := parseMessage(b[1:]); err == nil && b[0] == 1 && m.kind != msgBeat {
		l.sent = append(l.sent, letter{to, m})
	}
}

// boot starts the node anew with what is on the disk.
func (l *lab) boot() *node {
	l.Kill()
	n, is := New(l, Config{Replication: 3, SnapshotEvery: 100, Sessions: 10}).(*node)
	if !is {
		panic("New returns something else")
	}
	l.Settle()
	l.sent = nil
	return n
}

// tell has the node take a message of node 0, and returns what it then sends.
func (l *lab) tell(n *node, m message) []letter {
	l.sent = nil
	n.receive(0, m.encode())
	l.Settle()
	return l.sent
}

func newLab() (*lab, *node) {
	l := &lab{Alone: actortest.NewAlone(3)}
	return l, l.boot()
}

var chain = []actor.NodeID{0, 1}

func data(block, stamp, offset uint64) message {
	return message{kind: msgPacket, block: block, stamp: stamp, offset: offset, nodes: chain, data: []byte("twelve bytes")}
}

// only returns the one message that was sent.
func only(t *testing.T, sent []letter, want kind) message {
	t.Helper()
	if len(sent) != 1 || sent[0].m.kind != want {
		t.Fatalf("the node sent %+v, want one message of kind %d", sent, want)
	}
	return sent[0].m
}

// A packet is acknowledged once, and again when it comes again; one that comes
// too early is not, and one of another stamp is refused.
func TestPackets(t *testing.T) {
	t.Parallel()
	l, n := newLab()
	for _, c := range []struct {
		m      message
		answer kind
		upTo   uint64
	}{{data(1, 5, 0), msgAcked, 12}, {data(1, 5, 0), msgAcked, 12}, {data(1, 5, 12), msgAcked, 24}, {data(1, 4, 24), msgRefuse, 0}, {data(1, 6, 24), msgRefuse, 0}, {data(2, 7, 12), msgRefuse, 0}} {
		if got := only(t, l.tell(n, c.m), c.answer); got.offset != c.upTo {
			t.Errorf("%+v: acknowledged up to %d", c.m, got.offset)
		}
	}
	if sent := l.tell(n, data(1, 5, 36)); len(sent) != 0 {
		t.Errorf("a packet that comes too early: %+v", sent)
	}
	n = l.boot()
	only(t, l.tell(n, data(1, 5, 24)), msgRefuse)
}

// A writer whose block was recovered while its first packet was on the way must
// not begin it anew, whatever became of the replica and of the node.
func TestLateWriter(t *testing.T) {
	t.Parallel()
	for _, arrived := range []bool{true, false} {
		for _, restart := range []bool{true, false} {
			l, n := newLab()
			if arrived {
				l.tell(n, data(1, 5, 0))
			}
			answer := only(t, l.tell(n, message{kind: msgPrepare, id: 9, block: 1, stamp: 6}), msgPrepared)
			if answer.flag != arrived || answer.flag && (answer.stamp != 5 || answer.length != 12) {
				t.Fatalf("prepared with %+v", answer)
			}
			report := only(t, l.tell(n, message{kind: msgHello, epoch: 3, id: 1}), msgReport)
			l.tell(n, message{kind: msgDrop, epoch: 3, offset: report.offset, list: report.list})
			if n.store.Get(1) != nil {
				t.Fatal("the replica was not dropped")
			}
			if restart {
				n = l.boot()
			}
			only(t, l.tell(n, data(1, 5, 0)), msgRefuse)
			only(t, l.tell(n, data(2, 7, 0)), msgAcked)
		}
	}
}

// Who recovers a block decides how long it is, under the stamp that was prepared last.
func TestRecovery(t *testing.T) {
	t.Parallel()
	l, n := newLab()
	l.tell(n, data(1, 5, 0))
	l.tell(n, data(1, 5, 12))
	l.tell(n, message{kind: msgPrepare, id: 1, block: 1, stamp: 7})
	if sent := l.tell(n, message{kind: msgPrepare, id: 2, block: 1, stamp: 6}); len(sent) != 0 {
		t.Errorf("an earlier recovery was answered: %+v", sent)
	}
	if sent := l.tell(n, message{kind: msgFinish, id: 2, block: 1, stamp: 6, length: 20}); len(sent) != 0 {
		t.Errorf("an earlier recovery was finished: %+v", sent)
	}
	for range 2 {
		only(t, l.tell(n, message{kind: msgFinish, id: 3, block: 1, stamp: 7, length: 15}), msgFinished)
	}
	only(t, l.tell(n, data(1, 5, 24)), msgRefuse)
	n = l.boot()
	if r := n.store.Get(1); r == nil || r.Stamp != 7 || r.Synced != 15 {
		t.Errorf("the replica is %+v", r)
	}
	if m := only(t, l.tell(n, message{kind: msgFetch, id: 4, block: 1, stamp: 7, length: 15}), msgFetched); string(m.data) != "twelve bytestwe" {
		t.Errorf("read %q", m.data)
	}
	if m := only(t, l.tell(n, message{kind: msgFetch, id: 5, block: 1, stamp: 5, length: 15}), msgFetched); m.flag {
		t.Error("the replica is served under an old stamp")
	}
}

// Only the name node with the highest epoch is obeyed, even after a restart, and
// only if it answers the latest report.
func TestOrders(t *testing.T) {
	t.Parallel()
	l, n := newLab()
	l.tell(n, data(1, 5, 0))
	first := only(t, l.tell(n, message{kind: msgHello, epoch: 3, id: 1}), msgReport)
	second := only(t, l.tell(n, message{kind: msgHello, epoch: 4, id: 1}), msgReport)
	for _, m := range []message{
		{kind: msgDrop, epoch: 3, offset: first.offset, list: first.list},
		{kind: msgDrop, epoch: 4, offset: first.offset, list: first.list},
		{kind: msgDrop, epoch: 3, offset: second.offset, list: first.list},
		{kind: msgDrop, epoch: 4, offset: second.offset, list: []held{{1, 4, 12}}},
	} {
		if l.tell(n, m); n.store.Get(1) == nil {
			t.Fatalf("%+v was obeyed", m)
		}
	}
	n = l.boot()
	if sent := l.tell(n, message{kind: msgHello, epoch: 3, id: 2}); len(sent) != 0 {
		t.Errorf("a name node that was replaced is told %+v", sent)
	}
	l.tell(n, message{kind: msgDrop, epoch: 4, offset: second.offset, list: second.list})
	if n.store.Get(1) == nil {
		t.Error("a report of an earlier life was answered")
	}
}

// A copy is taken under its stamp, and a damaged one is neither sent nor reported.
func TestCopies(t *testing.T) {
	t.Parallel()
	l, n := newLab()
	l.tell(n, message{kind: msgHello, epoch: 3, id: 1})
	l.tell(n, message{kind: msgPut, epoch: 2, block: 1, stamp: 5, data: []byte("old")})
	l.tell(n, message{kind: msgPut, epoch: 3, block: 1, stamp: 5, data: []byte("good")})
	send := message{kind: msgCopy, epoch: 3, block: 1, stamp: 5, length: 4, nodes: []actor.NodeID{2}}
	if m := only(t, l.tell(n, send), msgPut); string(m.data) != "good" || m.stamp != 5 {
		t.Errorf("sent %+v", m)
	}
	l.Files["data-blk-1-5"][9] ^= 1
	if sent := l.tell(n, send); len(sent) != 0 {
		t.Errorf("a damaged replica was sent: %+v", sent)
	}
	if m := only(t, l.tell(n, message{kind: msgHello, epoch: 3, id: 2}), msgReport); len(m.list) != 0 {
		t.Errorf("a damaged replica was reported: %+v", m.list)
	}
	l.tell(n, message{kind: msgPut, epoch: 3, block: 1, stamp: 5, data: []byte("good")})
	if m := only(t, l.tell(n, send), msgPut); string(m.data) != "good" {
		t.Errorf("sent %+v", m)
	}
}

// A reader of an open block is shown what was acknowledged: what one node knows
// to be, or what all have.
func TestOpenBlock(t *testing.T) {
	t.Parallel()
	three := []actor.NodeID{0, 2}
	for _, c := range []struct {
		name    string
		answers []message
		want    string
		ok      bool
	}{
		{"one knows", []message{{flag: true, data: []byte("abc"), length: 3}}, "abc", true},
		{"nobody knows", []message{{flag: true, data: []byte("abcdef"), length: 3}, {flag: true, data: []byte("abcd"), length: 0}}, "abcd", true},
		{"one is silent", []message{{flag: true, data: []byte("abcdef"), length: 3}}, "", false},
		{"one refuses", []message{{flag: true, data: []byte("abcdef"), length: 3}, {}}, "", false},
	} {
		l, n := newLab()
		var got []byte
		ended, sound := false, false
		f := &fetch{n: n, block: &namespace.Block{ID: 1, Stamp: 5, Open: true, Nodes: three}, done: func(b []byte, ok bool) { got, ended, sound = b, true, ok }}
		f.start()
		for i, m := range c.answers {
			m.kind, m.id = msgFetched, l.sent[i].m.id
			n.receive(l.sent[i].to, m.encode())
		}
		if ended != c.ok {
			t.Errorf("%s: ended %v", c.name, ended)
		}
		l.Now += fetchLimit
		n.ring()
		if !ended || sound != c.ok || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, sound)
		}
	}
}

// An answer that comes twice, or after its time, is one answer or none.
func TestExpect(t *testing.T) {
	t.Parallel()
	l, n := newLab()
	var got []*message
	then := func(m *message) { got = append(got, m) }
	for _, id := range []uint64{n.expect(yieldLimit, then), n.expect(yieldLimit, then)} {
		for range 2 {
			l.tell(n, message{kind: msgYielded, id: id, flag: true})
		}
	}
	late := n.expect(yieldLimit, then)
	l.Now += yieldLimit
	n.Wake()
	l.tell(n, message{kind: msgYielded, id: late})
	if len(got) != 3 || got[0] == nil || got[1] == nil || got[2] != nil || len(n.waiting) > 0 {
		t.Errorf("told %v, and %d answers are still awaited", got, len(n.waiting))
	}
}

func FuzzMessage(f *testing.F) {
	full := message{
		kind: msgReport, flag: true, id: 1, block: 2, stamp: 3, offset: 4, length: 5, epoch: 6,
		nodes: chain, data: []byte("data"), list: []held{{7, 8, 9}}, tokens: []uint64{10},
	}
	f.Add(full.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		again, err := parseMessage(m.encode())
		if err != nil || !bytes.Equal(again.encode(), m.encode()) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
		_, n := newLab()
		n.receive(2, b)
	})
}
