package docker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The labels on everything that this package makes.
const (
	// Label marks an artefact as ours; its value is "1".
	Label = "ordeal"
	// LabelRun holds the id of the run that an artefact belongs to.
	LabelRun = "ordeal.run"
	// LabelController says which process is in control of the run.
	LabelController = "ordeal.controller"
	// LabelBinary holds, on images, the SHA-256 of the binary inside.
	LabelBinary = "ordeal.binary"
)

func runLabels(run string) map[string]string {
	return map[string]string{Label: "1", LabelRun: run, LabelController: thisController().String()}
}

// controller names a process so that it cannot be taken for a later one with
// the same number.
type controller struct {
	host  string // id of this boot of the kernel, and of the PID namespace
	pid   int
	start uint64 // in clock ticks since boot
}

func thisController() controller {
	pid := os.Getpid()
	start, _ := startTime(pid)
	return controller{hostID(), pid, start}
}

func (c controller) String() string { return fmt.Sprintf("%s %d %d", c.host, c.pid, c.start) }

func parseController(s string) (controller, bool) {
	var c controller
	n, err := fmt.Sscanf(s, "%s %d %d", &c.host, &c.pid, &c.start)
	return c, err == nil && n == 3
}

// hostID tells PID namespaces apart, and boots of one machine.
func hostID() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + "/" + ns
}

// startTime reads when a process was started. The name in the second field of
// the file may hold anything, so fields are counted from its end.
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	const at = 19 // start time is field 22, and rest begins with field 3
	if len(fields) <= at {
		return 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[at], 10, 64)
}

// liveness is what is known of a controller.
type liveness uint8

const (
	gone liveness = iota
	alive
	unknown // it belongs to another PID namespace
)

// look tells whether the controller that made an artefact still runs. A stopped
// one does; a zombie does not, but nothing tells it apart for long.
func (c controller) look() liveness {
	if c.host != hostID() {
		return c.elsewhere()
	}
	start, err := startTime(c.pid)
	if err != nil || start != c.start {
		return gone
	}
	return alive
}

// elsewhere judges a controller of another PID namespace, or of an earlier boot.
func (c controller) elsewhere() liveness {
	boot, _, _ := strings.Cut(c.host, "/")
	here, _, _ := strings.Cut(hostID(), "/")
	if boot != here {
		return gone
	}
	return unknown
}
