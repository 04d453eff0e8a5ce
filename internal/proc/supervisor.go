package proc

import (
	"fmt"
	"os"
)

// Command is a server to start.
type Command struct {
	Path           string
	Argv, Env      []string // Argv[0] included
	Dir            string
	Stdout, Stderr *os.File // /dev/null if nil
	// Prepare, if not nil, is called when the program is in memory and before
	// its first instruction. If it fails, the process is killed.
	Prepare func(pid int) error
}

// Ended says how a server ended.
type Ended struct {
	PID   int
	Mono  int64
	Code  int    // exit status, -1 after a signal
	Cause string // "exit status 2", "signal: killed"
	// Provoked is whether it was Kill that ended it: a server that ended in any
	// other way, even after Kill was called, did so by itself.
	Provoked bool
}

func (e Ended) String() string { return fmt.Sprintf("process %d: %s", e.PID, e.Cause) }
