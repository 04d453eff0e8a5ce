package replog

import (
	"bytes"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

var testConf = newMemLog(5).conf

// anyMessage draws a message as Raft may send it to another node.
func anyMessage(t *rapid.T) *raftpb.Message {
	number := func(name string) *uint64 {
		if v := rapid.Uint64().Draw(t, name); v != 0 {
			return &v
		}
		return nil
	}
	m := &raftpb.Message{
		Type: raftpb.MessageType(rapid.IntRange(0, len(raftpb.MessageType_name)-1).Draw(t, "type")).Enum(),
		From: new(uint64(2)), To: new(uint64(3)),
		Term: number("term"), LogTerm: number("logTerm"), Index: number("index"), Commit: number("commit"),
		Vote: number("vote"), RejectHint: number("rejectHint"), Context: anyBytes(t, "context"),
	}
	if rapid.Bool().Draw(t, "reject") {
		m.Reject = new(true)
	}
	for range rapid.IntRange(0, 4).Draw(t, "entries") {
		m.Entries = append(m.Entries, &raftpb.Entry{
			Type: raftpb.EntryType(rapid.IntRange(0, 2).Draw(t, "kind")).Enum(),
			Term: new(rapid.Uint64().Draw(t, "t")), Index: new(rapid.Uint64().Draw(t, "i")), Data: anyBytes(t, "data"),
		})
	}
	if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
		m.Snapshot = &raftpb.Snapshot{Data: rapid.SliceOf(rapid.Byte()).Draw(t, "state"), Metadata: &raftpb.SnapshotMetadata{
			ConfState: testConf, Index: new(rapid.Uint64().Draw(t, "si")), Term: new(rapid.Uint64().Draw(t, "st")),
		}}
	}
	return m
}

func anyBytes(t *rapid.T, name string) []byte {
	if b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, name); len(b) > 0 {
		return b
	}
	return nil
}

func TestMessagesSurviveTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDecoder(testConf)
		m := anyMessage(t)
		b := appendMessage(nil, m)
		got, err := d.parse(b[1:], 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, m) {
			t.Fatalf("sent %v, got %v", m, got)
		}
		if size := sizeHint(m); len(m.GetEntries()) < 3 && len(b) > size+60 {
			t.Fatalf("%d bytes where %d were expected", len(b), size)
		}
		for cut := 1; cut < len(b); cut++ {
			if _, err := d.parse(b[1:cut], 1, 2); err == nil {
				t.Fatalf("the first %d of %d bytes are taken for a message", cut, len(b))
			}
		}
	})
}

// Messages that count as the same are written as the same bytes, whatever two
// messages differ in.
func TestSameOnWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		changed, other := proto.CloneOf(m), anyMessage(t)
		changed.Entries, changed.To = m.GetEntries(), new(uint64(5))
		names := changed.ProtoReflect().Descriptor().Fields()
		field := names.Get(rapid.IntRange(0, names.Len()-1).Draw(t, "field"))
		if !sameOnWire(m, changed) && m.GetSnapshot() == nil {
			t.Fatalf("%v and %v differ by where they go only", m, changed)
		}
		if v := other.ProtoReflect(); v.Has(field) {
			changed.ProtoReflect().Set(field, v.Get(field))
		}
		if sameOnWire(m, changed) && !bytes.Equal(appendMessage(nil, m), appendMessage(nil, changed)) {
			t.Fatalf("%v and %v: not the same bytes", m, changed)
		}
	})
}

// FuzzMessage: whatever can be read is written back as the same message.
func FuzzMessage(f *testing.F) {
	f.Add(appendMessage(nil, &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), Term: new(uint64(7)), Context: []byte("12345678")})[1:])
	f.Add(appendMessage(nil, &raftpb.Message{Type: raftpb.MsgApp.Enum(), Entries: []*raftpb.Entry{{Data: []byte("x"), Index: new(uint64(300))}}})[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := newDecoder(testConf).parse(b, 1, 2)
		if err != nil {
			return
		}
		wire := appendMessage(nil, m) // not always b: a zero may have been spelled out
		again, err := newDecoder(testConf).parse(wire[1:], 1, 2)
		if err != nil || !bytes.Equal(appendMessage(nil, again), wire) {
			t.Fatalf("%v became %v, %v", m, again, err)
		}
	})
}

// FuzzLog: a damaged log is an error or a prefix, never a panic.
func FuzzLog(f *testing.F) {
	content, _, _ := sampleLog()
	f.Add(content)
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, torn, err := parseLog(b); err == nil && (torn > len(b) || uint64(len(l.ents)) > uint64(len(b))) {
			t.Fatal("more than there is")
		}
	})
}

// FuzzState: what can be restored is written back the same.
func FuzzState(f *testing.F) {
	s := newState(&list{}, Config{Sessions: 3})
	for i := range uint64(5) {
		s.apply(i+1, add(i, 1, "v"))
	}
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newState(&list{}, Config{Sessions: 1 << 20})
		if s.restore(7, b) != nil {
			return
		}
		again := newState(&list{}, Config{Sessions: 1 << 20})
		if err := again.restore(7, s.encode()); err != nil || !bytes.Equal(again.encode(), s.encode()) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	data := make([]byte, 60)
	for _, m := range []*raftpb.Message{
		{Type: raftpb.MsgHeartbeat.Enum(), Term: new(uint64(7)), Commit: new(uint64(4000)), Context: data[:8]},
		{Type: raftpb.MsgAppResp.Enum(), Term: new(uint64(7)), Index: new(uint64(4000))},
		{
			Type: raftpb.MsgApp.Enum(), Term: new(uint64(7)), LogTerm: new(uint64(7)), Index: new(uint64(3999)), Commit: new(uint64(3999)),
			Entries: []*raftpb.Entry{{Term: new(uint64(7)), Index: new(uint64(4000)), Type: raftpb.EntryNormal.Enum(), Data: data}},
		},
	} {
		b.Run(m.GetType().String(), func(b *testing.B) {
			b.ReportAllocs()
			d := newDecoder(testConf)
			for b.Loop() {
				wire := appendMessage(make([]byte, 0, sizeHint(m)), m)
				if _, err := d.parse(wire[1:], 0, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestRaftForgetsPassingMessages: what Raft wants to send and to save after it
// got a message of a kind that passes is the same when that message is read over.
func TestRaftForgetsPassingMessages(t *testing.T) {
	t.Parallel()
	one := []*raftpb.Entry{{Term: new(uint64(1)), Index: new(uint64(2)), Type: raftpb.EntryNormal.Enum(), Data: []byte("x")}}
	for _, m := range []*raftpb.Message{
		{Type: raftpb.MsgHeartbeat.Enum(), Term: new(uint64(1)), Commit: new(uint64(1)), Context: []byte("context.")},
		{Type: raftpb.MsgApp.Enum(), Term: new(uint64(1)), LogTerm: new(uint64(1)), Index: new(uint64(1)), Entries: one},
		{Type: raftpb.MsgApp.Enum(), Term: new(uint64(1)), LogTerm: new(uint64(1)), Index: new(uint64(7)), Entries: one},
		{Type: raftpb.MsgHeartbeatResp.Enum(), Term: new(uint64(1)), Context: []byte("context.")},
		{Type: raftpb.MsgAppResp.Enum(), Term: new(uint64(1)), Index: new(uint64(1))},
		{Type: raftpb.MsgAppResp.Enum(), Term: new(uint64(1)), Index: new(uint64(1)), Reject: new(true), RejectHint: new(uint64(1)), LogTerm: new(uint64(1))},
	} {
		rn, d := bareRaft(t, m.GetType() == raftpb.MsgAppResp || m.GetType() == raftpb.MsgHeartbeatResp), newDecoder(testConf)
		got, err := d.parse(appendMessage(nil, m)[1:], 1, 0)
		if err != nil || !passing(m.GetType()) {
			t.Fatal(m, err)
		}
		if err := rn.Step(got); err != nil {
			t.Fatal(m, err)
		}
		wanted := rn.Ready().Messages
		before := protobuf(t, wanted)
		for i := range 10 {
			d.passing = message{kind: raftpb.MsgVote, term: 9, logTerm: 9, index: uint64(i), commit: 9, vote: 9, rejectHint: 9, reject: true}
			d.passing.pb.Type, d.passing.pb.From = &d.passing.kind, &d.passing.term
		}
		if after := protobuf(t, wanted); !bytes.Equal(before, after) {
			t.Errorf("after %v Raft wanted %q, but once that was read over %q", m, before, after)
		}
	}
}

// bareRaft returns the Raft of node 1 of 5 in term 1, which has one entry.
func bareRaft(t *testing.T, leads bool) *raft.RawNode {
	n := &Group{id: 1, log: newMemLog(5), state: newState(&list{}, Config{Sessions: 1})}
	if !leads {
		n.log.hard.term = 1
		n.log.append([]*raftpb.Entry{{Term: new(uint64(1)), Index: new(uint64(1)), Type: raftpb.EntryNormal.Enum()}})
		return n.newRaft()
	}
	rn := n.newRaft()
	settle := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
		for rn.HasReady() {
			for _, m := range rn.Ready().Messages {
				n.log.append(m.GetEntries())
				for _, r := range m.GetResponses() {
					_ = rn.Step(r) // those to others err
				}
			}
		}
	}
	settle(rn.Campaign())
	for _, kind := range []raftpb.MessageType{raftpb.MsgPreVoteResp, raftpb.MsgVoteResp} {
		for from := range uint64(2) {
			settle(rn.Step(&raftpb.Message{Type: kind.Enum(), From: new(from + 2), To: new(uint64(1)), Term: new(uint64(1))}))
		}
	}
	return rn
}

func protobuf(t *testing.T, ms []*raftpb.Message) (b []byte) {
	var err error
	for _, m := range ms {
		if b, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestTheSameEntriesAreNotSentAgainAtOnce(t *testing.T) {
	t.Parallel()
	from := func(index uint64, entries int) *raftpb.Message {
		return &raftpb.Message{Index: &index, Entries: make([]*raftpb.Entry, entries)}
	}
	var p probe
	for i, step := range []struct {
		m     *raftpb.Message
		now   int64
		again bool
	}{
		{from(0, 2), 100, false},
		{from(0, 3), 100, true},
		{from(0, 0), 100, false}, // without entries it says something else
		{from(3, 1), 101, false},
		{from(3, 2), 100 + probeEvery, true},
		{from(3, 2), 101 + probeEvery, false},
		{from(0, 1), 102 + probeEvery, false}, // it was refused
	} {
		if got := p.again(step.m, step.now); got != step.again {
			t.Errorf("step %d: again is %v", i, got)
		}
	}
}
