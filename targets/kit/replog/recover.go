package replog

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
func (g *Group) recover() {
	disk := g.env.Disk()
	disk.List(func(names []string, err error) {
		g.disk.check("list of files", err)
		for _, name := range names {
			if strings.HasSuffix(name, tmpEnd) {
				disk.Remove(name, g.disk.sound("removal of "+name))
			}
		}
		disk.Read(snapFile, func(snap []byte, snapErr error) {
			disk.Read(walFile, func(wal []byte, walErr error) {
				g.load(g.found(snapFile, snap, snapErr), g.found(walFile, wal, walErr))
				g.disk.rewriteLog()
			})
		})
	})
}

// found returns the content of a file, and nil for one that is not there.
func (g *Group) found(name string, content []byte, err error) []byte {
	if errors.Is(err, actor.ErrNotExist) {
		return nil
	}
	g.disk.check("read of "+name, err)
	if content == nil {
		return []byte{}
	}
	return content
}

// load takes over what was read. Damage that a crash cannot explain ends the node.
func (g *Group) load(snap, wal []byte) {
	g.log = newMemLog(g.env.Nodes())
	g.decoder = newDecoder(g.log.conf)
	image := logImage{}
	switch {
	case wal != nil:
		var err error
		var torn int
		if image, torn, err = parseLog(wal); err != nil {
			g.corrupt(walFile, err)
		}
		if torn < len(wal) {
			g.env.Logf("%s: dropped %d bytes at the end of %s, which were never acknowledged", g.cfg.Name, len(wal)-torn, walFile)
			actor.Sometimes(g.env, factTorn)
			if g.cfg.Amnesiac {
				image = logImage{file: image.file}
			}
		}
	case snap != nil:
		g.corrupt(walFile, errors.New("it is not there, but a snapshot is"))
	}
	g.disk.file = image.file
	g.log.hard, g.log.base, g.log.baseTerm, g.log.ents = image.hard, image.base, image.term, image.ents
	if snap != nil {
		g.loadSnapshot(snap)
	}
	g.checkLog()
	g.readyAt = g.log.hard.commit
}

// loadSnapshot puts a snapshot under the log. It may be newer than the whole
// log if the node died while it took over one that a leader had sent.
func (g *Group) loadSnapshot(content []byte) {
	f, err := parseSnapshot(content)
	if err == nil {
		err = g.state.restore(f.index, f.data)
	}
	if err != nil {
		g.corrupt(snapFile, err)
	}
	if term, err := g.log.Term(f.index); f.index > g.log.last() || err == nil && term != f.term {
		g.log.reset(f.index, f.term)
	}
	h := &g.log.hard
	if h.term < f.term {
		h.term, h.vote = f.term, 0
	}
	h.commit = max(h.commit, f.index)
	g.log.snap = g.log.snapshotOf(f.index, f.term, f.data)
}

func (g *Group) checkLog() {
	if g.log.base > g.state.applied {
		g.corrupt(snapFile, fmt.Errorf("it reaches up to entry %d, but the log begins after %d", g.state.applied, g.log.base))
	}
	if g.log.hard.commit > g.log.last() {
		g.corrupt(walFile, fmt.Errorf("entry %d was committed, but the log ends at %d", g.log.hard.commit, g.log.last()))
	}
}

// corrupt ends the node.
func (g *Group) corrupt(file string, err error) {
	panic(fmt.Sprintf("%s: file %s is corrupt: %v; wipe the data directory of this node and let it catch up from the others, one node at a time",
		g.cfg.Name, file, err))
}

// boot starts Raft on what was recovered.
func (g *Group) boot() {
	g.rn, g.stirred = g.newRaft(), true
	g.term, g.vote = g.log.hard.term, g.log.hard.vote
	g.waitForLeader(g.env.Mono())
}

func (g *Group) newRaft() *raft.RawNode {
	rn, err := raft.NewRawNode(&raft.Config{
		ID:                        g.id,
		ElectionTick:              electionTicks,
		HeartbeatTick:             1,
		Storage:                   g.log,
		Applied:                   g.state.applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             64 << 10,
		MaxInflightMsgs:           256,
		MaxUncommittedEntriesSize: 16 << 20,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		Logger:                    quiet{g.cfg.Name},
	})
	if err != nil {
		panic(fmt.Sprintf("%s: raft cannot start: %v", g.cfg.Name, err))
	}
	return rn
}

// quiet is a logger for Raft that says nothing until it has to give up.
type quiet struct{ name string }

func (quiet) Debug(...any)                {}
func (quiet) Debugf(string, ...any)       {}
func (quiet) Error(...any)                {}
func (quiet) Errorf(string, ...any)       {}
func (quiet) Info(...any)                 {}
func (quiet) Infof(string, ...any)        {}
func (quiet) Warning(...any)              {}
func (quiet) Warningf(string, ...any)     {}
func (q quiet) Fatal(v ...any)            { panic(q.name + ": raft: " + fmt.Sprint(v...)) }
func (q quiet) Fatalf(f string, v ...any) { panic(q.name + ": raft: " + fmt.Sprintf(f, v...)) }
func (q quiet) Panic(v ...any)            { panic(q.name + ": raft: " + fmt.Sprint(v...)) }
func (q quiet) Panicf(f string, v ...any) { panic(q.name + ": raft: " + fmt.Sprintf(f, v...)) }
