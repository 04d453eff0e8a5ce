package vdso

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	freezeTimeout = 2 * time.Second
	freezeTries   = 200
	// stackScan is how much of a stack is searched for the address to which a
	// signal handler will return: more than the whole stack on which Go's
	// handlers run.
	stackScan = 64 << 10
)

// frozen runs do while every thread of the process is stopped outside of the
// forbidden bytes. A process that was stopped before stays stopped.
func (m *memory) frozen(ctx context.Context, forbidden []span, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	for range freezeTries {
		done, err := m.try(ctx, forbidden, do)
		if done || err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			break
		}
	}
	return fmt.Errorf("vdso: process %d: %w", m.pid, ErrBusy)
}

// try stops the process once, and reports whether it found it in a good place.
func (m *memory) try(ctx context.Context, forbidden []span, do func() error) (bool, error) {
	before, err := threads(m.pid)
	if err != nil {
		return false, err
	}
	if !stopped(before) {
		// Even if stopping fails half-way, the process has to go on.
		defer func() { _ = syscall.Kill(m.pid, syscall.SIGCONT) }() // it fails only if the process is gone
		if err := m.stop(ctx); err != nil {
			return false, err
		}
	}
	all, err := threads(m.pid)
	if err != nil || !stopped(all) {
		return false, err
	}
	for _, t := range all {
		if t.state != 'Z' && t.state != 'X' && !m.outside(t.id, forbidden) {
			return false, nil
		}
	}
	return true, do()
}

// stop sends SIGSTOP and waits until all threads obey.
func (m *memory) stop(ctx context.Context) error {
	if err := syscall.Kill(m.pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("vdso: stop process %d: %w", m.pid, err)
	}
	for {
		all, err := threads(m.pid)
		if err != nil || stopped(all) {
			return err
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("vdso: process %d did not stop: %w", m.pid, err)
		}
	}
}

// pause waits a moment: a thread needs microseconds to stop, if it has a processor.
func pause(ctx context.Context) error {
	select {
	case <-time.After(100 * time.Microsecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type thread struct {
	id    int
	state byte
}

func threads(pid int) ([]thread, error) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("vdso: %w", err)
	}
	var all []thread
	for _, name := range names {
		id, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, id))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("vdso: %w", err)
		}
		// The name of a thread is in parentheses and may hold any character.
		_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		if !ok || rest == "" {
			return nil, fmt.Errorf("vdso: thread %d: unreadable stat", id)
		}
		all = append(all, thread{id, rest[0]})
	}
	return all, nil
}

// stopped reports whether no thread can run: each is stopped by a signal or a
// tracer, or has ended. One in an uninterruptible wait (D) counts if another is
// stopped by a signal, because it will stop before it returns from the kernel.
func stopped(all []thread) bool {
	waiting, signalled := 0, false
	for _, t := range all {
		switch t.state {
		case 'T':
			signalled = true
		case 't', 'Z', 'X':
		case 'D':
			waiting++
		default:
			return false
		}
	}
	return len(all) > 0 && (waiting == 0 || signalled)
}

// outside reports whether a stopped thread is not within forbidden bytes, and
// will not return there from a function or a signal handler.
func (m *memory) outside(tid int, forbidden []span) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", m.pid, tid))
	if err != nil {
		return false
	}
	// Either a system call's number and six arguments or -1, then the stack
	// pointer and the program counter; or "running".
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return false
	}
	sp, err1 := strconv.ParseUint(fields[len(fields)-2], 0, 64)
	pc, err2 := strconv.ParseUint(fields[len(fields)-1], 0, 64)
	if err1 != nil || err2 != nil || m.within(pc, forbidden) {
		return false
	}
	stack := make([]byte, stackScan)
	n, _ := m.file.ReadAt(stack, int64(sp)) // to the end of the mapping
	for ; n >= 8; n -= 8 {
		if m.within(binary.LittleEndian.Uint64(stack[n-8:]), forbidden) {
			return false
		}
	}
	return true
}

func (m *memory) within(address uint64, forbidden []span) bool {
	at := int64(address) - m.base
	for _, s := range forbidden {
		if int64(s.from) <= at && at < int64(s.to) {
			return true
		}
	}
	return false
}
