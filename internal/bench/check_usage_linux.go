package main

import (
	"os"
	"syscall"
)

// peakMemory returns the most memory, in bytes, that a process had.
func peakMemory(p *os.ProcessState) int64 {
	use, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return use.Maxrss * 1024
}

// processorSeconds returns how long this process was on the processor.
func processorSeconds() float64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9
}
