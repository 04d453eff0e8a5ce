//go:build !linux

package main

import "os"

// Only on Linux is it known what these are, and in which unit.
func peakMemory(*os.ProcessState) int64 { return 0 }

func processorSeconds() float64 { return 0 }
