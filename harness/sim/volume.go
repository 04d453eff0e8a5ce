package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// volume is a flat directory in memory that can lose power.
type volume struct {
	live    map[string]*file  // as processes see it
	safe    map[string]*file  // as the last SyncDir left it
	changes []change          // what was done to names since then, in order
	ghosts  map[string][]byte // what a name stood for before: it may still be in the blocks
}

// file is what a name stands for. It grows at its end, so what is safe of its
// content is a first part of it.
type file struct {
	data []byte
	safe int // bytes that were synced
}

// change is something done to names, in one step: name stands for file
// afterwards (if it is not nil), and the name gone for nothing (if not empty).
type change struct {
	name string
	file *file
	gone string
}

func newVolume() volume {
	return volume{live: map[string]*file{}, safe: map[string]*file{}, ghosts: map[string][]byte{}}
}

func (ch change) apply(names map[string]*file) {
	if ch.gone != "" {
		delete(names, ch.gone)
	}
	if ch.file != nil {
		names[ch.name] = ch.file
	}
}

func (v *volume) change(ch change) {
	ch.apply(v.live)
	v.changes = append(v.changes, ch)
}

func (v *volume) append(name string, data []byte) {
	f := v.live[name]
	if f == nil {
		f = &file{}
		v.change(change{name: name, file: f})
	}
	if len(f.data)+len(data) > cap(f.data) {
		f.data = slices.Grow(f.data, len(f.data)+len(data)) // logs grow for long: double them
	}
	f.data = append(f.data, data...)
}

func (v *volume) sync(name string) error {
	f := v.live[name]
	if f == nil {
		return notExist("sync", name)
	}
	f.safe = len(f.data)
	return nil
}

func (v *volume) syncDir() {
	for _, ch := range v.changes {
		ch.apply(v.safe)
	}
	v.changes = v.changes[:0]
}

// read returns a copy, so that nobody changes the disk by changing it.
func (v *volume) read(name string) ([]byte, error) {
	f := v.live[name]
	if f == nil {
		return nil, notExist("read", name)
	}
	return bytes.Clone(f.data), nil
}

func (v *volume) list() []string { return slices.Sorted(maps.Keys(v.live)) }

func (v *volume) rename(from, to string) error {
	f := v.live[from]
	switch {
	case f == nil:
		return notExist("rename", from)
	case from != to:
		v.leave(to)
		v.change(change{name: to, file: f, gone: from})
	}
	return nil
}

func (v *volume) remove(name string) error {
	if v.live[name] == nil {
		return notExist("remove", name)
	}
	v.leave(name)
	v.change(change{gone: name})
	return nil
}

// leave notes the content that a name is about to lose.
func (v *volume) leave(name string) {
	if f := v.live[name]; f != nil {
		v.ghosts[name] = f.data
	}
}

func notExist(op, name string) error { return fmt.Errorf("%s %s: %w", op, name, actor.ErrNotExist) }

// holds reports whether a file is there with all of its content.
func (v *volume) holds(name, content string) bool {
	f := v.live[name]
	return f != nil && string(f.data) == content
}

// crash loses what was not synced, but for what a stream says (nothing without
// one), and returns how many bytes that could be read before cannot be read any
// more.
func (v *volume) crash(s *choice.Stream) (lost int) {
	before := make(map[string][]byte, len(v.live))
	for name, f := range v.live {
		before[name] = f.data
	}
	v.loseNames(s)
	v.loseContent(s)
	for name, data := range before {
		lost += len(data)
		if f := v.live[name]; f != nil {
			lost -= commonPrefix(data, f.data)
		}
	}
	return lost
}

// loseNames undoes changes of names since the last SyncDir. A journal keeps
// some first part of them; other file systems are known to write them back in
// any order (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
func (v *volume) loseNames(s *choice.Stream) {
	survives := func(int) bool { return false }
	kind := 0
	if s != nil {
		kind = s.IntN(4)
	}
	switch n := len(v.changes); kind {
	case 0:
	case 1, 2:
		kept := s.IntN(n + 1)
		survives = func(i int) bool { return i < kept }
	case 3:
		survives = func(int) bool { return s.Chance(1, 2) }
	}
	for i, ch := range v.changes {
		if survives(i) {
			ch.apply(v.safe)
		}
	}
	v.changes = nil
	v.live = maps.Clone(v.safe)
}

// loseContent takes from each file what a stream says of what was not synced.
func (v *volume) loseContent(s *choice.Stream) {
	torn := make(map[*file]bool, len(v.live))
	for _, name := range v.list() {
		f := v.live[name]
		if torn[f] {
			// A rename that was half undone left two names: from now on, two files.
			f = &file{data: bytes.Clone(f.data), safe: f.safe}
			v.live[name], v.safe[name] = f, f
			continue
		}
		torn[f] = true
		if f.safe < len(f.data) {
			before := f.data
			f.tear(s, v.ghosts[name])
			v.ghosts[name] = before
		}
	}
}

// tear leaves of the unsynced tail of a file all, a first part, nothing, or
// what was written back of it in no order.
func (f *file) tear(s *choice.Stream, ghost []byte) {
	kept, scattered := f.safe, false
	if s != nil {
		tail := len(f.data) - f.safe
		switch s.IntN(8) {
		case 0, 1:
			kept += tail
		case 2:
			kept += s.IntN(tail + 1)
		case 3, 4, 5:
			kept, scattered = kept+tail, true
		}
	}
	f.data = f.data[:kept:kept]
	if scattered {
		f.data = bytes.Clone(f.data)
		scatter(s, f.data, f.safe, ghost)
	}
	f.safe = kept
}

// sector is what a disk writes as a whole.
const sector = 512

// scatter loses one sector or several of data from a byte on, and pieces of a tail
// that is no longer than a few sectors. A length is known to be written back before all or
// some of what it is the length of (Pillai et al.; delayed allocation of ext4). What
// is there instead is zeros, garbage, or what another file had left there.
func scatter(s *choice.Stream, data []byte, from int, ghost []byte) {
	piece := sector
	if tail := len(data) - from; tail <= 4*sector {
		piece = 1 + s.IntN(1+s.IntN(tail))
	}
	fill, survive, one := s.IntN(4), int64(s.IntN(4)), from+s.IntN(len(data)-from)
	if s.Chance(1, 2) {
		survive = 4 // all but one
	}
	for at := from; at < len(data); {
		end := min((at/piece+1)*piece, len(data))
		if !s.Chance(survive, 4) || at <= one && one < end {
			overwrite(s, data[at:end], fill, ghost[min(at, len(ghost)):])
		}
		at = end
	}
}

// overwrite replaces bytes by others that were never written there.
func overwrite(s *choice.Stream, b []byte, fill int, ghost []byte) {
	clear(b)
	switch fill {
	case 0:
		copy(b, ghost)
	case 1:
		for i := range b {
			b[i] = byte(s.Uint64())
		}
	}
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
