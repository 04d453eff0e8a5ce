package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/world"
)

// What is wrong with this machine is said in a way that helps.
func TestNoEngine(t *testing.T) {
	for _, c := range []struct{ host, want string }{
		{"unix:///nowhere/docker.sock", "no Docker engine answers at unix:///nowhere/docker.sock"},
		{"tcp://192.0.2.1:2375", "is not on this host"},
		{"nonsense", "DOCKER_HOST"},
	} {
		t.Setenv("DOCKER_HOST", c.host)
		for _, err := range []error{
			New(Config{}).Support(t.Context(), world.Kill),
			New(Config{}).Support(t.Context(), world.Clock),
			second(New(Config{}).Deploy(t.Context(), world.Spec{Run: "r", Nodes: 1})),
			second(Clean(t.Context(), CleanOptions{})),
		} {
			if !errors.Is(err, world.ErrEnvironment) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.host, err)
			}
		}
		if seen := New(Config{}).Examine(t.Context()); len(seen) != 1 || seen[0].Err == nil {
			t.Errorf("%s: doctor says %+v", c.host, seen)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestBinaryRefused(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	must(t, os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755))
	_, err := findBinary(text)
	if !errors.Is(err, world.ErrEnvironment) || !strings.Contains(err.Error(), "is not a Linux program") {
		t.Errorf("script: %v", err)
	}
	shell, err := exec.LookPath("sh")
	must(t, err)
	if _, err := findBinary(shell); !errors.Is(err, world.ErrEnvironment) || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("dynamic program: %v", err)
	}
}

func TestImageHoldsTheBinaryAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	must(t, writeTar(&out, strings.NewReader("program"), 7))
	var files, dirs []string
	archive := tar.NewReader(&out)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, h.Name)
		} else {
			files = append(files, h.Name)
		}
	}
	if !slices.Equal(files, []string{"ordeal"}) || !slices.Equal(dirs, []string{"tmp/", "var/", "var/lib/", "var/lib/ordeal/"}) {
		t.Errorf("files %q, directories %q", files, dirs)
	}
}

// Two tries of one run never give the same subnet, and none is outside of the
// range that is private and seldom used.
func TestSubnets(t *testing.T) {
	t.Parallel()
	all := netip.MustParsePrefix("10.128.0.0/9")
	rapid.Check(t, func(t *rapid.T) {
		run := rapid.String().Draw(t, "run")
		seen := make(map[subnet]bool)
		for try := range maxTries {
			s := candidate(run, try)
			if seen[s] || !all.Contains(s.gateway()) || !all.Contains(s.node(maxNodes-1)) {
				t.Fatalf("try %d gives %v", try, s)
			}
			seen[s] = true
		}
	})
	s := subnet(netip.MustParsePrefix("10.200.3.0/24"))
	if s.gateway().String() != "10.200.3.1" || s.node(0).String() != "10.200.3.11" || s.node(maxNodes-1).String() != "10.200.3.254" {
		t.Errorf("gateway %v, nodes %v to %v", s.gateway(), s.node(0), s.node(maxNodes-1))
	}
	for prefix, want := range map[string]bool{"10.200.0.0/16": true, "10.200.3.128/25": true, "10.200.4.0/24": false} {
		if got := overlaps([]netip.Prefix{netip.MustParsePrefix(prefix)}, s); got != want {
			t.Errorf("%s overlaps %v: %v", prefix, s, got)
		}
	}
}

// A controller is known by more than its number.
func TestController(t *testing.T) {
	t.Parallel()
	me := thisController()
	if parsed, ok := parseController(me.String()); !ok || parsed != me {
		t.Errorf("%q is read as %+v", me, parsed)
	}
	boot, ns, _ := strings.Cut(me.host, "/")
	for _, c := range []struct {
		name string
		who  controller
		want liveness
	}{
		{"this process", me, alive},
		{"an earlier process of this number", controller{me.host, me.pid, me.start - 1}, gone},
		{"no process", controller{me.host, 1 << 30, 5}, gone},
		{"another container", controller{boot + "/pid:[1]", me.pid, me.start}, unknown},
		{"before the last boot", controller{"0/" + ns, me.pid, me.start}, gone},
	} {
		if got := c.who.look(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, s := range []string{"", "x", "x y z"} {
		if c, ok := parseController(s); ok {
			t.Errorf("%q is read as %+v", s, c)
		}
	}
}

// What clean removes is what no controller at work owns. One that cannot be
// seen from here is at work if its containers are.
func TestCleanLeavesWhatIsAtWork(t *testing.T) {
	t.Parallel()
	me := thisController()
	boot, _, _ := strings.Cut(me.host, "/")
	dead := controller{me.host, 1 << 30, 5}.String()
	far := controller{boot + "/pid:[1]", 7, 5}.String()
	all := found{
		containers: []resource{
			{name: "mine", run: "a", owner: me.String()},
			{name: "dead", run: "b", owner: dead, running: true},
			{name: "far", run: "c", owner: far, running: true},
			{name: "far and ended", run: "d", owner: far},
		},
		networks: []resource{{name: "far", run: "c", owner: far}, {name: "far and ended", run: "d", owner: far}, {name: "nobody's", run: "e"}},
		volumes:  []resource{{name: "mine", run: "a", owner: me.String()}},
	}
	left := all.only(func(r resource, all found) bool { return !isLive(r, all.containers) })
	var names []string
	for _, r := range slices.Concat(left.containers, left.networks, left.volumes) {
		names = append(names, r.name)
	}
	if want := []string{"dead", "far and ended", "far and ended", "nobody's"}; !slices.Equal(names, want) {
		t.Errorf("removes %q, want %q", names, want)
	}
}

// Half a line waits for the rest of it, and lines with times of their own are
// put in their order.
func TestLogLines(t *testing.T) {
	t.Parallel()
	var l nodeLog
	const first = "2000 err @1500 2026-01-02T03:04:05Z second\n1400 agent started process 7\n3000 err pan"
	l.add(3, []byte(first), 1000)
	l.add(3, []byte("3000 err panic: x\n3001 out \n"), 1000)
	want := []world.LogLine{
		{Time: 400, Node: 3, Text: "started process 7"},
		{Time: 500, Node: 3, Text: "second"},
		{Time: 2000, Node: 3, Text: "panic: x"},
		{Time: 2001, Node: 3, Text: ""},
	}
	if !slices.Equal(l.lines, want) {
		t.Errorf("lines %+v", l.lines)
	}
	if wholeLines := int64(strings.LastIndex(first, "3000")); l.read != wholeLines+int64(len("3000 err panic: x\n3001 out \n")) {
		t.Errorf("%d bytes are read", l.read)
	}
}
