package vdso

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// memory is the vDSO of a process.
type memory struct {
	pid  int
	file *os.File
	base int64
	size int
}

// ours is made once: our own vDSO never changes.
var ours = sync.OnceValues(func() (*plan, error) {
	s, ok := stubs(runtime.GOARCH)
	if !ok {
		return nil, ErrUnsupported
	}
	m, err := open(os.Getpid(), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer m.file.Close()
	image, err := m.read()
	if err != nil {
		return nil, err
	}
	return newPlan(image, s)
})

func open(pid, flag int) (*memory, error) {
	base, size, err := find(pid)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), flag, 0)
	if err != nil {
		return nil, fmt.Errorf("vdso: %w", err)
	}
	return &memory{pid: pid, file: file, base: base, size: size}, nil
}

// find looks up where the vDSO of a process is.
func find(pid int) (base int64, size int, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("vdso: %w", err)
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if !strings.HasSuffix(lines.Text(), "[vdso]") {
			continue
		}
		var end int64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x ", &base, &end); err != nil {
			return 0, 0, fmt.Errorf("vdso: %q: %w", lines.Text(), err)
		}
		return base, int(end - base), nil
	}
	return 0, 0, fmt.Errorf("vdso: process %d: %w", pid, ErrEnded)
}

func (m *memory) read() ([]byte, error) {
	image := make([]byte, m.size)
	if _, err := m.file.ReadAt(image, m.base); err != nil {
		return nil, fmt.Errorf("vdso: read from process %d: %w", m.pid, err)
	}
	return image, nil
}

// write writes and reads back.
func (m *memory) write(at int, data []byte) error {
	if _, err := m.file.WriteAt(data, m.base+int64(at)); err != nil {
		return fmt.Errorf("vdso: write to process %d: %w: does the kernel forbid it (proc_mem.force_override)?", m.pid, err)
	}
	back := make([]byte, len(data))
	if _, err := m.file.ReadAt(back, m.base+int64(at)); err != nil {
		return fmt.Errorf("vdso: read back from process %d: %w", m.pid, err)
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("vdso: process %d does not hold what was written to it", m.pid)
	}
	return nil
}

func (m *memory) state(p *plan) (State, error) {
	image, err := m.read()
	if err != nil {
		return State{}, err
	}
	s, err := p.classify(image)
	if err != nil {
		return State{}, fmt.Errorf("vdso: process %d: %w", m.pid, err)
	}
	s.PID = m.pid
	sum := sha256.Sum256(image)
	s.Sum = hex.EncodeToString(sum[:])
	return s, nil
}

// Read looks at the vDSO of a process.
func Read(pid int) (State, error) {
	p, err := ours()
	if err != nil {
		return State{}, err
	}
	m, err := open(pid, os.O_RDONLY)
	if err != nil {
		return State{}, err
	}
	defer m.file.Close()
	return m.state(p)
}

// Set makes the wall clock of a process differ by an offset from the host's and
// returns what was read back. A process that is patched already goes on running
// while its offset changes; any other is stopped for a moment, which may
// interrupt a system call of its (EINTR). ErrBusy is for a process that someone
// else has stopped with a thread in a bad place.
func Set(ctx context.Context, pid int, offset time.Duration) (State, error) {
	return change(pid, func(m *memory, p *plan, s State) error {
		if s.Kind == Patched {
			return m.update(p, offset)
		}
		if s.Kind == Partial {
			if err := m.restore(ctx, p); err != nil {
				return err
			}
		}
		return m.install(ctx, p, offset)
	})
}

// Restore puts back the original bytes, if any differ, and returns what was
// read back. With ErrBusy the clock is right again, but the block is still there.
func Restore(ctx context.Context, pid int) (State, error) {
	return change(pid, func(m *memory, p *plan, s State) error {
		if s.Kind == Pristine {
			return nil
		}
		return m.restore(ctx, p)
	})
}

func change(pid int, do func(*memory, *plan, State) error) (State, error) {
	p, err := ours()
	if err != nil {
		return State{}, err
	}
	m, err := open(pid, os.O_RDWR)
	if err != nil {
		return State{}, err
	}
	defer m.file.Close()
	s, err := m.state(p)
	if err != nil {
		return State{}, err
	}
	if err := do(m, p, s); err != nil {
		return s, err
	}
	return m.state(p)
}

// update changes the offset under a running process, see codeAt.
func (m *memory) update(p *plan, offset time.Duration) error {
	var index [1]byte
	if _, err := m.file.ReadAt(index[:], m.base+int64(p.cave+indexAt)); err != nil {
		return fmt.Errorf("vdso: read from process %d: %w", m.pid, err)
	}
	next := 1 - int(index[0]&1)
	if err := m.write(p.cave+slotsAt+slotSize*next, slot(offset)); err != nil {
		return err
	}
	return m.write(p.cave+indexAt, []byte{byte(next)})
}

// install writes the block, which nobody executes yet, and then the jumps.
func (m *memory) install(ctx context.Context, p *plan, offset time.Duration) error {
	if err := m.write(p.cave, p.stub.bytes(offset)); err != nil {
		return err
	}
	return m.frozen(ctx, p.entrances(), func() error {
		for _, j := range p.jumps {
			if err := m.write(j.at, j.code); err != nil {
				return err
			}
		}
		return nil
	})
}

// restore takes away the jumps, so that nobody enters the block any more, and
// then the block, as soon as nobody is in it.
func (m *memory) restore(ctx context.Context, p *plan) error {
	put := func(s span) error { return m.write(s.from, p.pristine[s.from:s.to]) }
	err := m.frozen(ctx, p.entrances(), func() error {
		for _, j := range p.jumps {
			if err := put(j.span()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.frozen(ctx, []span{p.span()}, func() error { return put(p.span()) })
}

// entrances are the bytes of the jumps, without the first of each: a thread
// that is about to execute the first will find whole instructions.
func (p *plan) entrances() []span {
	var all []span
	for _, j := range p.jumps {
		all = append(all, span{j.at + 1, j.at + len(j.code)})
	}
	return all
}
