package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pinned calls f on a thread that, with all processes that f starts, is kept on
// one core: the last one that they may use, as interrupts prefer the first. The
// thread ends with f, because its goroutine never lets go of it.
func pinned(f func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := pin()
		if err == nil {
			err = f()
		}
		ended <- err
	}()
	return <-ended
}

func pin() error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	last := 0
	for cpu := range len(may) * 64 {
		if may.IsSet(cpu) {
			last = cpu
		}
	}
	one.Set(last)
	return unix.SchedSetaffinity(0, &one)
}
