// Package vdso moves the wall clock of one process and of no other.
//
// Programs read the time from the vDSO, a small library that the kernel maps
// into every process; static Go binaries do so too, where preloading a library
// does not work. [Set] writes a block of code into a part of that mapping which
// holds no code, and a jump to it over the first instructions of clock_gettime,
// gettimeofday and time. The block makes the raw system call and adds an offset
// to CLOCK_REALTIME and CLOCK_REALTIME_COARSE; all other clocks, and so timers
// and time-outs, stay as they are. A program that makes the system call itself
// instead of calling the vDSO is not reached. [Restore] puts back every byte.
//
// The pages are private to the process once they are written: neither the
// parent, nor other processes, nor the host see anything. A child inherits the
// patch until it executes another program.
//
// # How it is safe
//
// The original bytes are those of our own vDSO, which is the same in all
// processes of a kernel; a process in which anything else differs is refused.
// While the jumps are written the process is stopped, and every thread has been
// seen to be stopped with its program counter outside of the few bytes that
// change, and with no such address on its stack, from where a signal handler
// would return to it. The block is erased only when no thread is in it.
//
// # Privileges
//
// The writes go through /proc/PID/mem. A parent may do so to its child without
// any capability, if it has the child's user id and all of its capabilities.
// Linux can be told to refuse (proc_mem.force_override): [Check] finds out.
package vdso

import (
	"errors"
	"time"
)

// Kind says what a vDSO was found to hold.
type Kind string

// Pristine is as the kernel made it, byte for byte. Partial has our block but
// not (or no longer) all jumps to it: the time is right, and Restore will erase
// the rest as soon as no thread is in it.
const (
	Pristine Kind = "pristine"
	Patched  Kind = "patched"
	Partial  Kind = "partial"
)

// State is what was read back from the memory of a process.
type State struct {
	PID     int
	Kind    Kind
	Offset  time.Duration // if Patched
	Symbols []string      // the functions that are redirected
	Sum     string        // SHA-256 of the whole mapping, hexadecimal
}

var (
	// ErrUnsupported says that this system or architecture has no patch.
	ErrUnsupported = errors.New("moving one process's clock needs Linux on amd64 or arm64")
	// ErrForeign says that a vDSO differs from ours in what we did not write.
	ErrForeign = errors.New("the vDSO of the process is not the one this kernel gives to ours: a 32-bit program, or another tool has patched it")
	// ErrEnded says that a process has no memory any more.
	ErrEnded = errors.New("the process has no vDSO: it has ended, or the kernel was booted with vdso=0")
	// ErrBusy says that a thread stayed where bytes have to change.
	ErrBusy = errors.New("a thread stayed inside the code that has to change: let the process run and try again")
)
