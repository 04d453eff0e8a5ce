package blocks

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// disk holds files in memory. Operations wait until they are told to happen.
type disk struct {
	actor.Disk
	files map[string]*file
	safe  map[string]*file // the names that were synced
	queue []func()
}

type file struct {
	data   []byte
	synced int
}

func newDisk() *disk { return &disk{files: map[string]*file{}, safe: map[string]*file{}} }

func (d *disk) later(do func() error, done func(error)) {
	d.queue = append(d.queue, func() { done(do()) })
}

func (d *disk) Append(name string, data []byte, done func(error)) {
	d.later(func() error {
		if d.files[name] == nil {
			d.files[name] = &file{}
		}
		d.files[name].data = append(d.files[name].data, data...)
		return nil
	}, done)
}

func (d *disk) Sync(name string, done func(error)) {
	d.later(func() error {
		if d.files[name] == nil {
			return actor.ErrNotExist
		}
		d.files[name].synced = len(d.files[name].data)
		return nil
	}, done)
}

func (d *disk) SyncDir(done func(error)) {
	d.later(func() error {
		d.safe = maps.Clone(d.files)
		return nil
	}, done)
}

func (d *disk) Rename(from, to string, done func(error)) {
	d.later(func() error {
		d.files[to] = d.files[from]
		delete(d.files, from)
		return nil
	}, done)
}

func (d *disk) Remove(name string, done func(error)) {
	d.later(func() error {
		if d.files[name] == nil {
			return actor.ErrNotExist
		}
		delete(d.files, name)
		return nil
	}, done)
}

func (d *disk) Read(name string, done func([]byte, error)) {
	d.queue = append(d.queue, func() {
		if f := d.files[name]; f != nil {
			done(bytes.Clone(f.data), nil)
		} else {
			done(nil, actor.ErrNotExist)
		}
	})
}

func (d *disk) List(done func([]string, error)) {
	d.queue = append(d.queue, func() { done(slices.Sorted(maps.Keys(d.files)), nil) })
}

// run lets operations happen, up to a number of them.
func (d *disk) run(most int) {
	for ; most > 0 && len(d.queue) > 0; most-- {
		next := d.queue[0]
		d.queue = d.queue[1:]
		next()
	}
}

const all = 1 << 30

// lose takes the power: of each file some part survives that has all that was
// synced, and of the names those that were synced.
func (d *disk) lose(part func(n int) int) {
	d.queue = nil
	d.files = maps.Clone(d.safe)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		f.data = f.data[:f.synced+part(len(f.data)-f.synced)]
	}
}

func load(t interface{ Fatal(...any) }, d *disk) *Store {
	s := New(d, Options{})
	ready := false
	s.Load(func() { ready = true })
	if d.run(all); !ready {
		t.Fatal("the store does not load")
	}
	return s
}

func read(s *Store, d *disk, id, length uint64) (data []byte, ok bool) {
	s.Read(s.Get(id), length, func(b []byte, sound bool) { data, ok = b, sound })
	d.run(all)
	return data, ok
}

// What was acknowledged is there after a loss of power.
func Example() {
	d := newDisk()
	s := New(d, Options{})
	s.Load(func() {})
	d.run(all)

	r := s.Create(7, 1)
	s.Write(r, []byte("first "), func() { fmt.Println("first is safe") })
	d.run(all)
	s.Write(r, []byte("second"), func() { fmt.Println("second is safe") })
	d.run(1) // written, and not synced
	d.lose(func(n int) int { return n / 2 })

	s = New(d, Options{})
	s.Load(func() {})
	d.run(all)
	s.Read(s.Get(7), 6, func(data []byte, ok bool) { fmt.Printf("%q %v\n", data, ok) })
	d.run(all)
	// Output:
	// first is safe
	// "first " true
}

// A byte that changed is found out, wherever it is.
func TestDamage(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := load(t, d)
	r := s.Create(1, 1)
	for range 3 {
		s.Write(r, []byte("some data"), func() {})
	}
	d.run(all)
	f := d.files["blk-1-1"]
	for i := range f.data {
		f.data[i] ^= 4
		if data, ok := read(s, d, 1, r.Length); ok {
			t.Errorf("byte %d changed, and the replica is %q", i, data)
		}
		f.data[i] ^= 4
	}
	if data, ok := read(s, d, 1, r.Length); !ok || len(data) != 27 {
		t.Errorf("the replica cannot be read: %q", data)
	}
}

// A replica gets its new content in one step, and an older stamp never comes back.
func TestReplace(t *testing.T) {
	t.Parallel()
	for steps := range 12 {
		d := newDisk()
		s := load(t, d)
		r := s.Create(1, 1)
		s.Write(r, []byte("old content"), func() {})
		d.run(all)
		done := false
		s.Replace(1, 2, []byte("new"), func() { done = true })
		d.run(steps)
		d.lose(func(n int) int { return n })
		s = load(t, d)
		data, ok := read(s, d, 1, 0)
		if want := map[uint64]string{1: "old content", 2: "new"}[s.Get(1).Stamp]; !ok || string(data) != want || done && s.Get(1).Stamp != 2 {
			t.Errorf("after %d steps, done %v: stamp %d, %q", steps, done, s.Get(1).Stamp, data)
		}
		s.Replace(1, 1, []byte("older"), func() { t.Error("an older stamp replaced a newer one") })
		if s.Get(1).Stamp == 2 {
			d.run(all)
		}
	}
}

// Whatever is done and whenever the power goes, what was acknowledged is there.
func TestStore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := newDisk()
		s := load(rt, d)
		acked := map[uint64][]byte{} // since the power went last
		open := map[uint64]*Replica{}
		stamp := uint64(0)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			id := uint64(rapid.IntRange(1, 3).Draw(rt, "id"))
			stamp++
			data := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "data")
			switch rapid.IntRange(0, 5).Draw(rt, "op") {
			case 0:
				delete(acked, id)
				open[id] = s.Create(id, stamp)
			case 1, 2:
				if r := open[id]; r != nil {
					before := bytes.Clone(acked[id])
					s.Write(r, data, func() {
						if s.Get(id) == r {
							acked[id] = append(before, data...)
						}
					})
					d.run(all)
				}
			case 3:
				delete(open, id)
				s.Replace(id, stamp, data, func() { acked[id] = data })
				d.run(all)
			case 4:
				delete(open, id)
				delete(acked, id)
				s.Remove(id)
			default:
				if r := open[id]; r != nil {
					s.Write(r, data, func() {}) // may or may not be done
					open[id] = nil
				}
				d.run(rapid.IntRange(0, 3).Draw(rt, "ops"))
				d.lose(func(n int) int { return rapid.IntRange(0, n).Draw(rt, "kept") })
				s, open = load(rt, d), map[uint64]*Replica{}
			}
			for id, want := range acked {
				data, ok := read(s, d, id, uint64(len(want)))
				if !ok || !bytes.HasPrefix(data, want) || s.Get(id).Synced < uint64(len(want)) {
					rt.Fatalf("block %d: %q %v, want %q", id, data, ok, want)
				}
			}
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add(appendChunk(appendChunk(nil, []byte("one")), []byte("two")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		chunks(b, func(data []byte) { again = appendChunk(again, data) })
		if !bytes.HasPrefix(b, again) {
			t.Errorf("%q was read as %q", b, again)
		}
		parseName(string(b))
	})
}

// What a replica holds up to some byte has one sum, whatever chunks it came in.
func TestSum(t *testing.T) {
	t.Parallel()
	var whole, parts, none Replica
	data := []byte("what is the same has the same sum")
	whole.grow(data)
	for i := 0; i < len(data); i += 5 {
		parts.grow(data[i:min(i+5, len(data))])
	}
	seen := map[uint32]bool{}
	for n := range uint64(len(data)) {
		sum := whole.Sum(n + 1)
		if parts.Sum(n+1) != sum || seen[sum] {
			t.Errorf("%d bytes: %08x in one chunk, %08x in several", n+1, sum, parts.Sum(n+1))
		}
		seen[sum] = true
	}
	if whole.Sum(1000) != whole.Sum(whole.Length) || whole.Sum(0) != none.Sum(5) {
		t.Error("bytes that are not there count")
	}
}
