package replog

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// memLog is the log in memory, as Raft reads it back: always what the disk
// will hold once all operations on the way have completed. Entries that are
// not durable yet are in it too. That is sound because Raft keeps those
// itself, and asks here only for entries whose durability it was told of.
type memLog struct {
	conf *raftpb.ConfState
	hard hardState

	base, baseTerm uint64          // the entry before the first one, the newest that was compacted away
	ents           []*raftpb.Entry // ents[i] has index base+1+i

	snap *raftpb.Snapshot // the newest snapshot that is durable, nil for none
}

// hardState is Raft's hard state as a plain value.
type hardState struct{ term, vote, commit uint64 }

func newMemLog(nodes int) *memLog {
	conf := &raftpb.ConfState{AutoLeave: new(false)}
	for id := range nodes {
		conf.Voters = append(conf.Voters, uint64(id)+1)
	}
	return &memLog{conf: conf}
}

func (l *memLog) last() uint64 { return l.base + uint64(len(l.ents)) }

// append adds entries, and drops first what is there in their place.
func (l *memLog) append(ents []*raftpb.Entry) {
	if len(ents) == 0 {
		return
	}
	at := ents[0].GetIndex() - l.base - 1
	if at < uint64(len(l.ents)) {
		l.ents = l.ents[:at:at] // Raft may still hold a slice of what is dropped
	}
	l.ents = append(l.ents, ents...)
}

// reset makes the log empty, right after the given entry.
func (l *memLog) reset(index, term uint64) { l.base, l.baseTerm, l.ents = index, term, nil }

// compact drops the entries up to the given one.
func (l *memLog) compact(to uint64) {
	if to <= l.base {
		return
	}
	term, _ := l.Term(to)
	l.ents = append([]*raftpb.Entry(nil), l.ents[to-l.base:]...)
	l.base, l.baseTerm = to, term
}

// snapshotOf wraps data as Raft knows snapshots.
func (l *memLog) snapshotOf(index, term uint64, data []byte) *raftpb.Snapshot {
	return &raftpb.Snapshot{Data: data, Metadata: &raftpb.SnapshotMetadata{ConfState: l.conf, Index: &index, Term: &term}}
}

// InitialState implements raft.Storage.
func (l *memLog) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	h := l.hard
	return &raftpb.HardState{Term: &h.term, Vote: &h.vote, Commit: &h.commit}, l.conf, nil
}

// Entries implements raft.Storage.
func (l *memLog) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo <= l.base {
		return nil, raft.ErrCompacted
	}
	if hi > l.last()+1 || lo >= hi {
		return nil, raft.ErrUnavailable
	}
	ents := l.ents[lo-l.base-1 : hi-l.base-1 : hi-l.base-1]
	size := uint64(0)
	for i, e := range ents {
		if size += uint64(len(e.GetData())) + entryOverhead; size > maxSize && i > 0 {
			return ents[:i:i], nil
		}
	}
	return ents, nil
}

// entryOverhead is about what an entry takes beside its data.
const entryOverhead = 16

// Term implements raft.Storage.
func (l *memLog) Term(i uint64) (uint64, error) {
	switch {
	case i < l.base:
		return 0, raft.ErrCompacted
	case i == l.base:
		return l.baseTerm, nil
	case i > l.last():
		return 0, raft.ErrUnavailable
	default:
		return l.ents[i-l.base-1].GetTerm(), nil
	}
}

// LastIndex implements raft.Storage.
func (l *memLog) LastIndex() (uint64, error) { return l.last(), nil }

// FirstIndex implements raft.Storage.
func (l *memLog) FirstIndex() (uint64, error) { return l.base + 1, nil }

// Snapshot implements raft.Storage.
func (l *memLog) Snapshot() (*raftpb.Snapshot, error) {
	if l.snap == nil {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return l.snap, nil
}
