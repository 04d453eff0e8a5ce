package vdso

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// Check finds out whether this kernel lets a parent patch its child: it does so
// to a child that is stopped before its first instruction, and kills it.
func Check() error {
	if _, err := ours(); err != nil {
		return err
	}
	// A tracer is a thread, and not a process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/proc/self/exe", []string{"check"}, &os.ProcAttr{
		Env: []string{},
		Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return fmt.Errorf("vdso: start a child: %w", err)
	}
	defer func() { _ = child.Kill(); _, _ = child.Wait() }()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(child.Pid, &status, 0, nil); err != nil {
		return fmt.Errorf("vdso: wait for a child: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("vdso: a child did not stop at its start: status %#x", status)
	}
	// From here on the child is stopped by a signal, and not traced: the writes
	// have to work as they will on a server.
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, syscall.PTRACE_DETACH, uintptr(child.Pid), 0, uintptr(syscall.SIGSTOP), 0, 0)
	if errno != 0 {
		return fmt.Errorf("vdso: detach from the child: %w", errno)
	}
	return checkChild(child.Pid)
}

func checkChild(pid int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*freezeTimeout)
	defer cancel()
	s, err := Set(ctx, pid, time.Hour)
	if err != nil {
		return fmt.Errorf("patch a child: %w", err)
	}
	if s.Kind != Patched || s.Offset != time.Hour {
		return fmt.Errorf("vdso: a patched child was found %s", s.Kind)
	}
	if s, err = Restore(ctx, pid); err != nil {
		return fmt.Errorf("restore a child: %w", err)
	}
	if s.Kind != Pristine {
		return fmt.Errorf("vdso: a restored child was found %s", s.Kind)
	}
	return nil
}
