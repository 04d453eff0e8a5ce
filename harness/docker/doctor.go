package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/nft"
	"github.com/ordeal-dev/ordeal/internal/vdso"
)

// diagnosis is what containers of this host were found able to do: nil for a
// fault that works.
type diagnosis struct{ partition, clock error }

// Examine implements world.Doctor: it talks to the engine, makes the image, and
// tries in a container what the faults will need.
func (w *World) Examine(ctx context.Context) []world.Examination {
	e, err := connect(ctx)
	if err != nil {
		return []world.Examination{{Check: "Docker engine on this host", Err: err}}
	}
	seen := []world.Examination{{Check: fmt.Sprintf("Docker engine %s on this host, API %s", e.server, e.version)}}
	_ = e.Close()
	_, err = findBinary(w.cfg.Binary)
	seen = append(seen, world.Examination{Check: "static binary for nodes", Err: err})
	if err != nil {
		return seen
	}
	_, err = w.diagnose(ctx)
	return append(seen, world.Examination{Check: "container with no capability but NET_ADMIN", Err: err})
}

// diagnose tries once what the kernel lets a container do, and remembers it.
func (w *World) diagnose(ctx context.Context) (diagnosis, error) {
	w.probe.Lock()
	defer w.probe.Unlock()
	if w.checked != nil {
		return *w.checked, nil
	}
	e, err := connect(ctx)
	if err != nil {
		return diagnosis{}, err
	}
	defer e.Close()
	seen, err := w.tryOut(ctx, e)
	if err != nil {
		return diagnosis{}, err
	}
	w.checked = &diagnosis{
		partition: seen.verdict(world.Partition, seen.Partition, "load the kernel module nf_tables (modprobe nf_tables)"),
		clock:     seen.verdict(world.Clock, seen.Clock, "see proc_mem.force_override among the parameters of the kernel"),
	}
	return *w.checked, nil
}

// selfTest is what the agent in the container reports: what went wrong, or "".
type selfTest struct {
	Partition string `json:"partition"`
	Clock     string `json:"clock"`
}

func (selfTest) verdict(c world.Capability, problem, fix string) error {
	if problem == "" {
		return nil
	}
	return environment("%w: %s faults do not work in containers of this host: %s: %s, or use --world sim", ErrUnsupported, c, problem, fix)
}

// tryTimeout is for the self-test in a container, which takes half a second.
const tryTimeout = 30 * time.Second

var errNoExit = fmt.Errorf("it has not ended within %v: look at the engine (systemctl status docker), and whether somebody else removes containers", tryTimeout)

// tryOut runs the self-test in a container made like those of nodes.
func (w *World) tryOut(ctx context.Context, e *engine) (seen selfTest, err error) {
	b, err := findBinary(w.cfg.Binary)
	if err != nil {
		return seen, err
	}
	if err := ensureImage(ctx, e, b); err != nil {
		return seen, err
	}
	run := fmt.Sprintf("doctor-%d-%d", os.Getpid(), time.Now().UnixNano())
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
		defer cancel()
		_, gone := removeRun(ctx, e, run)
		err = errors.Join(err, gone)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, tryTimeout, errNoExit)
	defer cancel()
	id, err := createFrom(ctx, e, b, containerSpec{
		name: "ordeal-" + run, hostname: "doctor", network: "none",
		command: []string{binaryPath, AgentCommand, "doctor"}, dataDir: volumeDir,
		memory: w.cfg.Memory, processes: w.cfg.PIDs, labels: runLabels(run),
	})
	if err != nil {
		return seen, environment("try a container: %w", err)
	}
	out, err := e.runContainer(ctx, id)
	if err != nil {
		return seen, environment("try a container: %w", cmp.Or(context.Cause(ctx), err))
	}
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		return seen, environment("try a container: the self-test said %q", out)
	}
	return seen, nil
}

// runSelfTest is the part of the doctor that runs inside.
func runSelfTest(out io.Writer) error {
	var seen selfTest
	if err := tryRules(); err != nil {
		seen.Partition = err.Error()
	}
	if err := vdso.Check(); err != nil {
		seen.Clock = err.Error()
	}
	return json.NewEncoder(out).Encode(seen)
}

func tryRules() error {
	table := nft.Table{Name: "ordeal"}
	rules := nft.Rules{Drops: []nft.Drop{{Peer: netip.AddrFrom4([4]byte{192, 0, 2, 1}), In: true, Out: true}}}
	return errors.Join(table.Set(rules), table.Remove())
}
