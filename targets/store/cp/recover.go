package cp

import (
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/raft/v3"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// recover reads the disk, and when all is read writes the log file anew: what
// was found in it may be in the page cache only, and a torn tail must not get
// in front of what is to come.
func (n *node) recover() {
	disk := n.env.Disk()
	disk.List(func(names []string, err error) {
		check("list of files", err)
		for _, name := range names {
			if strings.HasSuffix(name, tmpEnd) {
				disk.Remove(name, sound("removal of "+name))
			}
		}
		disk.Read(snapFile, func(snap []byte, snapErr error) {
			disk.Read(walFile, func(wal []byte, walErr error) {
				n.load(found(snapFile, snap, snapErr), found(walFile, wal, walErr))
				n.disk.rewriteLog()
			})
		})
	})
}

// found returns the content of a file, and nil for one that is not there.
func found(name string, content []byte, err error) []byte {
	if errors.Is(err, actor.ErrNotExist) {
		return nil
	}
	check("read of "+name, err)
	if content == nil {
		return []byte{}
	}
	return content
}

// load takes over what was read. Damage that a crash cannot explain ends the node.
func (n *node) load(snap, wal []byte) {
	n.log = newMemLog(n.env.Nodes())
	n.decoder = newDecoder(n.log.conf)
	image := logImage{}
	switch {
	case wal != nil:
		var err error
		var torn int
		if image, torn, err = parseLog(wal); err != nil {
			corrupt(walFile, err)
		}
		if torn < len(wal) {
			n.env.Logf("cp: dropped %d bytes at the end of %s, which were never acknowledged", len(wal)-torn, walFile)
		}
	case snap != nil:
		corrupt(walFile, errors.New("it is not there, but a snapshot is"))
	}
	n.log.hard, n.log.base, n.log.baseTerm, n.log.ents = image.hard, image.base, image.term, image.ents
	if snap != nil {
		n.loadSnapshot(snap)
	}
	n.checkLog()
	n.readyAt = n.log.hard.commit
}

// loadSnapshot puts a snapshot under the log. It may be newer than the whole
// log if the node died while it took over one that a leader had sent.
func (n *node) loadSnapshot(content []byte) {
	f, err := parseSnapshot(content)
	if err == nil {
		err = n.machine.restore(f.data)
	}
	if err != nil {
		corrupt(snapFile, err)
	}
	if term, err := n.log.Term(f.index); f.index > n.log.last() || err == nil && term != f.term {
		n.log.reset(f.index, f.term)
	}
	h := &n.log.hard
	if h.term < f.term {
		h.term, h.vote = f.term, 0
	}
	h.commit = max(h.commit, f.index)
	n.log.snap = n.log.snapshotOf(f.index, f.term, f.data)
}

func (n *node) checkLog() {
	if n.log.base > n.machine.applied {
		corrupt(snapFile, fmt.Errorf("it reaches up to entry %d, but the log begins after %d", n.machine.applied, n.log.base))
	}
	if n.log.hard.commit > n.log.last() {
		corrupt(walFile, fmt.Errorf("entry %d was committed, but the log ends at %d", n.log.hard.commit, n.log.last()))
	}
}

// corrupt ends the node.
func corrupt(file string, err error) {
	panic(fmt.Sprintf("cp: file %s is corrupt: %v; wipe the data directory of this node and let it catch up from the others, one node at a time", file, err))
}

// boot starts Raft on what was recovered.
func (n *node) boot() {
	n.rn, n.stirred = n.newRaft(), true
	n.term, n.vote = n.log.hard.term, n.log.hard.vote
	n.waitForLeader(n.env.Mono())
}

func (n *node) newRaft() *raft.RawNode {
	rn, err := raft.NewRawNode(&raft.Config{
		ID:                        n.id,
		ElectionTick:              electionTicks,
		HeartbeatTick:             1,
		Storage:                   n.log,
		Applied:                   n.machine.applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             64 << 10,
		MaxInflightMsgs:           256,
		MaxUncommittedEntriesSize: 16 << 20,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		Logger:                    quiet{},
	})
	if err != nil {
		panic("cp: raft cannot start: " + err.Error())
	}
	return rn
}

// quiet is a logger for Raft that says nothing until it has to give up.
type quiet struct{}

func (quiet) Debug(...any)              {}
func (quiet) Debugf(string, ...any)     {}
func (quiet) Error(...any)              {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Info(...any)               {}
func (quiet) Infof(string, ...any)      {}
func (quiet) Warning(...any)            {}
func (quiet) Warningf(string, ...any)   {}
func (quiet) Fatal(v ...any)            { panic("cp: raft: " + fmt.Sprint(v...)) }
func (quiet) Fatalf(f string, v ...any) { panic("cp: raft: " + fmt.Sprintf(f, v...)) }
func (quiet) Panic(v ...any)            { panic("cp: raft: " + fmt.Sprint(v...)) }
func (quiet) Panicf(f string, v ...any) { panic("cp: raft: " + fmt.Sprintf(f, v...)) }
