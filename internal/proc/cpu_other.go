//go:build !linux

package proc

import "time"

// Used is the time since this process started, where nobody says how much of
// that it was on the processors.
func Used() time.Duration { return time.Since(processStart) }
