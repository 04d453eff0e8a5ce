package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/internal/vdso"
)

// keepEvery is how often new processes are looked for and a drift is moved on.
const keepEvery = 100 * time.Millisecond

// clock is the wall clock that the processes of a server see.
type clock struct {
	offset time.Duration
	rate   int64 // nanoseconds a second
	since  int64 // when offset was true
	// dirty is whether some process may have a patch.
	dirty bool
}

// moved reports whether the clock differs from the host's.
func (k *clock) moved() bool { return k.offset != 0 || k.rate != 0 }

// at is the offset at a time. A drift is far too small to lose a nanosecond in
// a float64.
func (k *clock) at(mono int64) time.Duration {
	elapsed := time.Duration(mono - k.since)
	return k.offset + time.Duration(float64(k.rate)*elapsed.Seconds())
}

// set changes what the clock should be; apply makes it so.
func (k *clock) set(offset time.Duration, rate int64) error {
	const most = int64(time.Second)
	if rate <= -most || rate > most {
		return fmt.Errorf("rate %d: a clock may not go back, or more than twice as fast: want between -%d and %d", rate, most, most)
	}
	now := time.Now()
	if then := now.Add(offset); then.Unix() < 0 || then.Year() > 2200 {
		return fmt.Errorf("offset %v leads to %v: want a time between 1970 and 2200", offset, then.UTC())
	}
	k.offset, k.rate, k.since = offset, rate, Mono()
	return nil
}

// apply patches every process of a tree that is not as it should be, or
// restores it if the clock is not moved. It goes on after an error.
func (k *clock) apply(ctx context.Context, tree []proc.Stat) error {
	if !k.moved() && !k.dirty {
		return nil
	}
	k.dirty = true
	dirty := k.moved()
	var errs []error
	for _, p := range tree {
		switch err := k.one(ctx, p.PID); {
		case err == nil || gone(err):
		case k.harmless(p.PID, err):
			dirty = true // the next apply will erase it
		default:
			errs = append(errs, err)
		}
	}
	k.dirty = dirty || len(errs) > 0
	return errors.Join(errs...)
}

// harmless reports whether a process has its own clock again and only the code
// of the patch is left, because the process is paused with a thread inside.
func (k *clock) harmless(pid int, err error) bool {
	if k.moved() || !errors.Is(err, vdso.ErrBusy) {
		return false
	}
	s, err := vdso.Read(pid)
	return err == nil && s.Kind == vdso.Partial && len(s.Symbols) == 0
}

func (k *clock) one(ctx context.Context, pid int) error {
	if !k.moved() {
		_, err := vdso.Restore(ctx, pid)
		return err
	}
	want := k.at(Mono())
	if s, err := vdso.Read(pid); err == nil && s.Kind == vdso.Patched && s.Offset == want {
		return nil
	}
	_, err := vdso.Set(ctx, pid, want)
	return err
}

// gone reports whether a process ended while we looked at it.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || errors.Is(err, vdso.ErrEnded)
}

// read looks into every process.
func (k *clock) read(tree []proc.Stat) (Clock, error) {
	now := Mono()
	c := Clock{Offset: int64(k.at(now)), Rate: k.rate, Mono: now}
	for _, p := range tree {
		s, err := vdso.Read(p.PID)
		if gone(err) {
			continue
		}
		if err != nil {
			return c, err
		}
		c.Tasks = append(c.Tasks, Patch{
			PID: s.PID, Patched: s.Kind == vdso.Patched, Pristine: s.Kind == vdso.Pristine,
			Offset: int64(s.Offset), Symbols: s.Symbols, Sum: s.Sum,
		})
	}
	return c, nil
}
