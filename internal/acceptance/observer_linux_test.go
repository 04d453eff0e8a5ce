package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// observer looks at the nodes of a run from the host, and asks neither the
// controller nor the agents.
type observer struct {
	t      *testing.T
	engine *client.Client
	run    string
	vdso   []byte // of this process, which nobody has patched
}

func observe(t *testing.T, engine *client.Client, runDir string) *observer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it looks into the namespaces and the memory of containers")
	}
	vdso, err := readVDSO(os.Getpid())
	must(t, err)
	return &observer{t, engine, filepath.Base(runDir), vdso}
}

// sight is what is seen of one node.
type sight struct {
	node    string
	drops   int // rules that drop packets
	servers int // processes of the server
	stopped int // those of them that are stopped
	patched int // those of them whose vDSO is not the kernel's
}

func (s sight) String() string {
	return fmt.Sprintf("%s: %d rules, %d of %d processes stopped, %d patched", s.node, s.drops, s.stopped, s.servers, s.patched)
}

func (s sight) faulty() bool { return s.drops+s.stopped+s.patched > 0 }

// look returns what is seen of every container that runs.
func (o *observer) look() []sight {
	o.t.Helper()
	list, err := o.engine.ContainerList(o.t.Context(), container.ListOptions{Filters: byRun(o.run)})
	must(o.t, err)
	var all []sight
	for _, c := range list {
		inside, err := o.engine.ContainerInspect(o.t.Context(), c.ID)
		if err != nil || !inside.State.Running {
			continue // it has just ended
		}
		if s, ok := o.lookAt(inside.Config.Hostname, inside.State.Pid); ok {
			all = append(all, s)
		}
	}
	return all
}

// lookAt looks at the node whose agent is the given process. What ends while it
// is looked at is not there.
func (o *observer) lookAt(node string, agent int) (s sight, ok bool) {
	s.node = node
	var err error
	if s.drops, err = dropRules(agent); err != nil {
		return s, false
	}
	tree, err := descendants(agent)
	must(o.t, err)
	for _, p := range tree {
		vdso, err := readVDSO(p.pid)
		if err != nil {
			continue
		}
		s.servers++
		if p.state == 'T' || p.state == 't' {
			s.stopped++
		}
		if !bytes.Equal(vdso, o.vdso) {
			s.patched++
		}
	}
	return s, true
}

// pids are the server's processes of all nodes.
func (o *observer) pids() map[string]int {
	o.t.Helper()
	list, err := o.engine.ContainerList(o.t.Context(), container.ListOptions{Filters: byRun(o.run)})
	must(o.t, err)
	pids := map[string]int{}
	for _, c := range list {
		inside, err := o.engine.ContainerInspect(o.t.Context(), c.ID)
		if err != nil || !inside.State.Running {
			continue
		}
		tree, err := descendants(inside.State.Pid)
		must(o.t, err)
		if len(tree) > 0 {
			pids[inside.Config.Hostname] = tree[0].pid
		}
	}
	return pids
}

// dropRules counts the rules in a process's network namespace that drop packets.
func dropRules(pid int) (int, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	if err != nil {
		return 0, err
	}
	chains, err := conn.ListChains()
	if err != nil {
		return 0, err
	}
	drops := 0
	for _, c := range chains {
		rules, err := conn.GetRules(c.Table, c)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return 0, err
		}
		for _, r := range rules {
			drops += verdictsOf(r, expr.VerdictDrop)
		}
	}
	return drops, nil
}

func verdictsOf(r *nftables.Rule, kind expr.VerdictKind) (n int) {
	for _, e := range r.Exprs {
		if v, ok := e.(*expr.Verdict); ok && v.Kind == kind {
			n++
		}
	}
	return n
}

// task is a process as /proc/PID/stat shows it.
type task struct {
	pid, parent int
	state       byte
}

// descendants lists what descends from a process and has not ended, children
// before their own.
func descendants(root int) ([]task, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]task{}
	for _, file := range files {
		if p, ok := readTask(file); ok && p.state != 'Z' && p.state != 'X' {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var tree []task
	for next := children[root]; len(next) > 0; next = next[1:] {
		tree = append(tree, next[0])
		next = append(next, children[next[0].pid]...)
	}
	return tree, nil
}

// readTask reads "PID (NAME) STATE PARENT …", where NAME may hold anything.
func readTask(file string) (task, bool) {
	text, err := os.ReadFile(file)
	at := strings.LastIndexByte(string(text), ')')
	if err != nil || at < 0 {
		return task{}, false
	}
	fields := strings.Fields(string(text[at+1:]))
	pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
	parent, err2 := strconv.Atoi(fields[1])
	return task{pid, parent, fields[0][0]}, err1 == nil && err2 == nil
}

// readVDSO copies the vDSO of a process out of its memory.
func readVDSO(pid int) ([]byte, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			return nil, err
		}
		memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			return nil, err
		}
		defer memory.Close()
		vdso := make([]byte, to-from)
		_, err = memory.ReadAt(vdso, from)
		return vdso, err
	}
	return nil, fmt.Errorf("process %d has no vDSO", pid)
}

// untilFaulty waits until some fault is seen on some node.
func (o *observer) untilFaulty(p *process) []sight {
	o.t.Helper()
	var seen []sight
	eventually(o.t, patience/2, func() error {
		if p.ended() {
			o.t.Fatalf("the run ended before a fault was seen\n%s\n%s", &p.stdout, &p.stderr)
		}
		seen = o.look()
		for _, s := range seen {
			if s.faulty() {
				return nil
			}
		}
		return errors.New("no fault is in force")
	})
	return seen
}

// healed says which node is not as it should be when its controller has gone:
// no rule drops packets, and every process goes on with the kernel's vDSO.
func (o *observer) healed(wantServers bool) error {
	o.t.Helper()
	var errs []error
	for _, s := range o.look() {
		if s.faulty() || wantServers && s.servers == 0 {
			errs = append(errs, errors.New(s.String()))
		}
	}
	return errors.Join(errs...)
}
