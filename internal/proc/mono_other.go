//go:build !linux

package proc

import "time"

// Mono is a monotonic clock in nanoseconds, of this process alone.
func Mono() int64 { return int64(time.Since(processStart)) }

var processStart = time.Now()
