// Package docker is the world of real processes: every node is a container on a
// private network of its own, with a real kernel, real TCP and a real disk.
//
// A container holds one file, the static binary of this program, and its first
// process is the node agent ([AgentMain]), which starts the server and carries
// out the faults. [New] returns the world; [world.World.Deploy] goes through
//
//	image       made from the binary, tagged by its hash, unless it is there
//	network     internal, a /24 that nobody on this host uses, static addresses
//	containers  all at once, with NET_ADMIN as their only capability
//	attach      one exec stream for each agent, which is never cut
//	start       the servers, through the agents
//
// and takes away what it made if any of this fails. Whatever it makes carries
// the label [LabelRun] with the id of the run and says which process is in
// control. [Clean] finds by these labels what a controller left behind that
// could not take it down.
//
// The engine has to be on this host: the controller reaches the nodes over the
// bridge, and reads the same monotonic clock as they do. Engines from 20.10 (API
// 1.41) on will do.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/ordeal-dev/ordeal/harness/world"
)

// ErrUnsupported is wrapped by errors about what this world cannot do.
var ErrUnsupported = errors.New("not supported by the docker world")

// Config says how the world makes its containers. The zero value is good.
type Config struct {
	// Binary is the static binary that nodes run: that of this process if it
	// is empty. It must have the hidden commands "agent" and "node".
	Binary string
	// Memory bounds a node, in bytes, and PIDs the number of its threads:
	// 1 GiB and 2048 if 0.
	Memory int64
	PIDs   int64
	// Log is for what has no run of its own; nothing is logged if it is nil.
	Log *slog.Logger
}

// World makes clusters of containers. It is safe for concurrent use.
type World struct {
	cfg Config

	probe   sync.Mutex // held while this host is tried
	checked *diagnosis
}

var (
	_ world.World  = (*World)(nil)
	_ world.Doctor = (*World)(nil)
)

// New returns the world. It does not talk to the engine yet.
func New(cfg Config) *World {
	if cfg.Memory == 0 {
		cfg.Memory = 1 << 30
	}
	if cfg.PIDs == 0 {
		cfg.PIDs = 2048
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &World{cfg: cfg}
}

// Name implements world.World.
func (w *World) Name() string { return "docker" }

// Doc implements world.World.
func (w *World) Doc() string {
	return "containers on a private network of this host, from an image made out of this binary alone"
}

// Support implements world.World. The first call for a capability of the kernel
// tries it in a container, which takes about a second.
func (w *World) Support(ctx context.Context, c world.Capability) error {
	switch c {
	case world.Kill, world.Pause:
		return w.reachable(ctx)
	case world.Partition, world.Clock:
		return w.tried(ctx, c)
	case world.Power:
		return fmt.Errorf("%w: power: a kernel shared by all containers keeps what was not synced; "+
			"the sim world loses it (--world sim)", ErrUnsupported)
	case world.Packet:
		return fmt.Errorf("%w: packet: the kernels that it runs on may lack netem, and nothing else here delays or "+
			"doubles packets yet; the sim world does (--world sim), and partition loses them here", ErrUnsupported)
	case world.Byzantine:
		return fmt.Errorf("%w: byzantine: there is no way yet to give an order to a process in a container; "+
			"the sim world has one (--world sim)", ErrUnsupported)
	default:
		return fmt.Errorf("%w: %s; it can do partition, kill, pause and clock", ErrUnsupported, c)
	}
}

func (w *World) reachable(ctx context.Context) error {
	e, err := connect(ctx)
	if err != nil {
		return err
	}
	return e.Close()
}

// tried tells whether a capability of the kernel was seen to work here.
func (w *World) tried(ctx context.Context, c world.Capability) error {
	d, err := w.diagnose(ctx)
	if err != nil {
		return err
	}
	if c == world.Partition {
		return d.partition
	}
	return d.clock
}

// environment makes an error one about this machine. What it says is enough: the
// kind of error is for those who ask with errors.Is.
func environment(format string, args ...any) error {
	return environmentError{fmt.Errorf(format, args...)}
}

type environmentError struct{ error }

func (e environmentError) Unwrap() []error { return []error{world.ErrEnvironment, e.error} }

func checkPlatform() error {
	if runtime.GOOS != "linux" {
		return environment("the docker world needs Linux, and this is %s: run it there, or use --world sim", runtime.GOOS)
	}
	return nil
}
