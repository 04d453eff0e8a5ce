// Package blocks keeps the replicas of a data node on its disk.
//
// Each replica is a file that is called by the number of the block and its
// generation stamp. It consists of chunks, each with a length and a checksum
// (CRC32C), which are verified whenever the file is read: when the node starts,
// for a client, and for a copy to another node. What begins with a sound chunk
// and goes on to a torn one is as long as the sound part; that is what a loss of
// power leaves behind of a write that was never acknowledged.
//
// A replica grows only as long as the node that created it lives. Any other
// change of its content or its stamp makes a new file that gets its name when
// all of it is on the disk ([Store.Replace]), so that after a crash there is the
// old replica, or the new one, or both; and of two the one with the greater
// stamp counts.
package blocks

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Files of replicas are called blk-ID-STAMP. What begins with new- is being
// written, and is worth nothing after a restart.
const (
	prefix = "blk-"
	draft  = "new-"
)

// frame is the bytes before the data of a chunk: length and checksum.
const frame = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Replica is what the node has of a block.
type Replica struct {
	ID, Stamp uint64
	Length    uint64   // in bytes, some of which may be on their way to the disk
	Synced    uint64   // so many are on it for good
	sums      []uint32 // of the bytes up to each one
}

// Sum returns a checksum of the first bytes of the replica, of as many as it has.
// In which chunks they were written makes no difference: a block may have been cut
// within one, and whoever got a copy of it after that has other chunks.
func (r *Replica) Sum(length uint64) uint32 {
	if length = min(length, r.Length); length > 0 {
		return r.sums[length-1]
	}
	return 0
}

func (r *Replica) name() string { return fmt.Sprintf("%s%d-%d", prefix, r.ID, r.Stamp) }

func (r *Replica) grow(data []byte) {
	sum := r.Sum(r.Length)
	for i := range data {
		sum = crc32.Update(sum, castagnoli, data[i:i+1])
		r.sums = append(r.sums, sum)
	}
	r.Length += uint64(len(data))
}

// Options are the bugs of a store, and where it logs what it holds.
type Options struct {
	Logf     func(format string, args ...any) // may be nil
	Lazy     bool                             // data are said to be on the disk although they were never synced
	Nameless bool                             // a new file is synced, but not the directory with its name
}

// Store is all replicas of a node.
type Store struct {
	disk     actor.Disk
	opts     Options
	replicas map[uint64]*Replica
	drafts   int
}

// New returns a store that has not yet looked what is on the disk; see Load.
func New(disk actor.Disk, opts Options) *Store {
	if opts.Logf == nil {
		opts.Logf = func(string, ...any) {}
	}
	return &Store{disk: disk, opts: opts, replicas: map[uint64]*Replica{}}
}

// Load reads what is on the disk, and calls done when the store can be used.
func (s *Store) Load(done func()) {
	s.disk.List(func(names []string, err error) {
		check("list of the disk", err)
		left := 1
		read := func() {
			if left--; left == 0 {
				done()
			}
		}
		for _, name := range names {
			if strings.HasPrefix(name, draft) {
				s.disk.Remove(name, sound("removal of "+name))
			}
			if r := parseName(name); r != nil {
				left++
				s.load(r, read)
			}
		}
		read()
	})
}

// parseName returns the replica that a file is of, or nil.
func parseName(name string) *Replica {
	id, stamp, ok := strings.Cut(strings.TrimPrefix(name, prefix), "-")
	if !ok || !strings.HasPrefix(name, prefix) {
		return nil
	}
	var r Replica
	var err1, err2 error
	r.ID, err1 = strconv.ParseUint(id, 10, 64)
	r.Stamp, err2 = strconv.ParseUint(stamp, 10, 64)
	if err1 != nil || err2 != nil {
		return nil
	}
	return &r
}

// load reads one file. Of two replicas of a block the older one is removed.
func (s *Store) load(r *Replica, done func()) {
	name := r.name()
	s.disk.Read(name, func(b []byte, err error) {
		check("read of "+name, err)
		chunks(b, r.grow)
		r.Synced = r.Length
		old := s.replicas[r.ID]
		if old != nil && old.Stamp > r.Stamp {
			old, r = r, old
		}
		if old != nil {
			s.disk.Remove(old.name(), sound("removal of "+old.name()))
		}
		s.replicas[r.ID] = r
		done()
	})
}

// chunks hands the data of all chunks to f, up to the first one that is not sound.
func chunks(b []byte, f func(data []byte)) {
	for len(b) > frame {
		size := uint64(binary.LittleEndian.Uint32(b))
		if size == 0 || size > uint64(len(b)-frame) {
			return
		}
		data := b[frame : frame+size]
		if crc32.Checksum(data, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
			return
		}
		f(data)
		b = b[frame+size:]
	}
}

// appendChunk writes a chunk as it stands in a file.
func appendChunk(b, data []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(data, castagnoli))
	return append(b, data...)
}

// Get returns the replica of a block, or nil.
func (s *Store) Get(id uint64) *Replica { return s.replicas[id] }

// All returns all replicas in the order of their blocks.
func (s *Store) All() []*Replica {
	all := make([]*Replica, 0, len(s.replicas))
	for _, r := range s.replicas {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Replica) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Create begins a replica that is to be written. It replaces any other.
func (s *Store) Create(id, stamp uint64) *Replica {
	s.Remove(id)
	r := &Replica{ID: id, Stamp: stamp}
	s.hold(r)
	return r
}

// Write adds a chunk to a replica that was created since the node started, and
// calls done once it is on the disk for good.
func (s *Store) Write(r *Replica, data []byte, done func()) {
	first := r.Length == 0
	r.grow(data)
	end := r.Length
	name := r.name()
	written := func() {
		r.Synced = max(r.Synced, end)
		done()
	}
	if s.opts.Lazy {
		s.disk.Append(name, appendChunk(nil, data), func(err error) {
			check("append to "+name, err)
			written()
		})
		return
	}
	s.disk.Append(name, appendChunk(nil, data), sound("append to "+name))
	last := func(err error) {
		check("sync of "+name, err)
		written()
	}
	if !first || s.opts.Nameless {
		s.disk.Sync(name, last)
		return
	}
	s.disk.Sync(name, sound("sync of "+name))
	s.disk.SyncDir(last)
}

// Read returns the first bytes of a replica, of at least the given length, as
// they are on the disk; ok is false if they are not there, or not as they were written.
func (s *Store) Read(r *Replica, length uint64, done func(data []byte, ok bool)) {
	s.disk.Read(r.name(), func(b []byte, err error) {
		if err != nil {
			done(nil, false) // removed meanwhile
			return
		}
		var data []byte
		chunks(b, func(chunk []byte) { data = append(data, chunk...) })
		if uint64(len(data)) < length {
			done(nil, false)
			return
		}
		done(data, true)
	})
}

// Replace gives a block a new replica with all of its content, and calls done
// when that is on the disk for good. What was there before is gone then. A stamp
// that is older than that of the replica that is there changes nothing, and done
// is not called.
func (s *Store) Replace(id, stamp uint64, data []byte, done func()) {
	s.drafts++
	tmp := fmt.Sprintf("%s%d", draft, s.drafts)
	r := &Replica{ID: id, Stamp: stamp}
	if len(data) > 0 {
		r.grow(data)
	}
	r.Synced = r.Length
	s.disk.Append(tmp, appendChunk(nil, data), sound("write of "+tmp))
	s.disk.Sync(tmp, func(err error) {
		check("sync of "+tmp, err)
		if old := s.replicas[id]; old != nil && old.Stamp > stamp {
			s.disk.Remove(tmp, sound("removal of "+tmp))
			return
		}
		s.disk.Rename(tmp, r.name(), sound("rename of "+tmp))
		s.disk.SyncDir(func(err error) {
			check("sync of the directory", err)
			if s.replaced(r) {
				done()
			}
		})
	})
}

// replaced has a new replica take the place of the one before it.
func (s *Store) replaced(r *Replica) bool {
	old := s.replicas[r.ID]
	if old != nil && old.Stamp > r.Stamp {
		s.disk.Remove(r.name(), gone)
		return false
	}
	if old != nil && old.Stamp < r.Stamp {
		s.disk.Remove(old.name(), gone)
	}
	s.hold(r)
	return true
}

// hold makes a replica the one that there is of its block. Reports draw what is
// logged of it.
func (s *Store) hold(r *Replica) {
	s.replicas[r.ID] = r
	s.opts.Logf("replica: block %d stamp %d", r.ID, r.Stamp)
}

// Remove deletes the replica of a block, if there is one.
func (s *Store) Remove(id uint64) {
	if r := s.replicas[id]; r != nil {
		delete(s.replicas, id)
		s.disk.Remove(r.name(), gone)
		s.opts.Logf("replica: block %d gone", id)
	}
}

// gone is for a file that may never have been written.
func gone(error) {}

// check ends the node on an error of the disk: what it holds after that is
// anyone's guess, and to go on would be to acknowledge guesses.
func check(what string, err error) {
	if err != nil {
		panic(fmt.Sprintf("files: %s failed: %v; the node stops rather than acknowledge what may be lost", what, err))
	}
}

// sound returns a function that checks what it is called with.
func sound(what string) func(error) { return func(err error) { check(what, err) } }
