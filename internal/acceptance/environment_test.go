package acceptance

import (
	"bytes"
	"debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// oneLine wants a program to have said one line on standard error, with all of
// the given words.
func oneLine(t *testing.T, p *process, words ...string) {
	t.Helper()
	said := strings.TrimSuffix(p.stderr.String(), "\n")
	if strings.Contains(said, "\n") {
		t.Errorf("said more than a line:\n%s", said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is not in %q", w, said)
		}
	}
}

// Where there is no engine, a run in Docker says in one line what to do.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	p := startIn(t, []string{"DOCKER_HOST=unix:///nonexistent"}, get(t, built.ordeal),
		"run", "--world", "docker", "--nemesis", "kill", "--time", "5s", "--out", t.TempDir())
	p.mustExit(3)
	oneLine(t, p, "no Docker engine answers at unix:///nonexistent", "systemctl start docker", "--world sim")
	clean := startIn(t, []string{"DOCKER_HOST=unix:///nonexistent"}, get(t, built.ordeal), "clean")
	clean.mustExit(3)
	oneLine(t, clean, "no Docker engine answers")
}

// A binary that cannot run in an empty container is refused, with the command
// that builds one which can.
func TestDynamicBinary(t *testing.T) {
	t.Parallel()
	needEngine(t, 1)
	path := filepath.Join(t.TempDir(), "dynamic")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/ordeal").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !isDynamic(t, path) {
		t.Skip("this Go makes static binaries by default: there is no C compiler")
	}
	p := start(t, path, "run", "--world", "docker", "--nemesis", "kill", "--time", "5s", "--out", t.TempDir())
	p.mustExit(3)
	oneLine(t, p, "linked dynamically", "CGO_ENABLED=0 go build")
}

func isDynamic(t *testing.T, path string) bool {
	t.Helper()
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// The image of an earlier build goes when a newer build makes its own.
func TestOldImagesGo(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	var paths []string
	for _, version := range []string{"v1", "v2"} {
		path, err := built.build("ordeal-"+version, "../../cmd/ordeal", version)
		must(t, err)
		paths = append(paths, path)
		doctor := start(t, path, "doctor")
		doctor.mustExit(0)
		if strings.Contains(doctor.stdout.String(), "no Docker engine") || bytes.Contains(doctor.stdout.Bytes(), []byte("linked dynamically")) {
			t.Fatalf("doctor says\n%s", &doctor.stdout)
		}
		images, err := imageOf(t.Context(), engine, path)
		must(t, err)
		if len(images) > 1 {
			t.Errorf("%d images of build %s", len(images), version) // none, if another build has come since
		}
	}
	if images, err := imageOf(t.Context(), engine, paths[0]); err != nil || len(images) > 0 {
		t.Errorf("the image of the older build is still there: %v %v", images, err)
	}
}
