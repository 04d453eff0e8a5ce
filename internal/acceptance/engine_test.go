package acceptance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// The labels on what runs make. They are part of what users rely on.
const (
	labelRun    = "ordeal.run"
	labelBinary = "ordeal.binary"
)

func connect() (*client.Client, error) {
	return client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
}

// needEngine waits until so many runs in Docker may begin. It skips where there
// is no engine, and fails in CI.
func needEngine(t *testing.T, runs int64) *client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in Docker for many seconds: not with -short")
	}
	engine, err := connect()
	if err == nil {
		_, err = engine.Ping(t.Context())
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI=true and no Docker: %v", err)
		}
		t.Skipf("no Docker engine answers: %v", err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	must(t, built.docker.Acquire(t.Context(), runs))
	t.Cleanup(func() {
		if t.Failed() { // its programs have been killed by now
			ordeal(t, "clean")
		}
		built.docker.Release(runs)
	})
	return engine
}

func byRun(run string) filters.Args { return filters.NewArgs(filters.Arg("label", labelRun+"="+run)) }

// artefacts lists what there is of a run at the engine.
func artefacts(t *testing.T, engine *client.Client, run string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var names []string
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: byRun(run)})
	must(t, err)
	for _, c := range containers {
		names = append(names, c.Names...)
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: byRun(run)})
	must(t, err)
	for _, n := range networks {
		names = append(names, n.Name)
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: byRun(run)})
	must(t, err)
	for _, v := range volumes.Volumes {
		names = append(names, v.Name)
	}
	return names
}

// nothingLeft fails the test if there is anything of a run at the engine.
func nothingLeft(t *testing.T, engine *client.Client, run string) {
	t.Helper()
	if left := artefacts(t, engine, filepath.Base(run)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// imageOf finds the image that holds a program.
func imageOf(ctx context.Context, engine *client.Client, program string) ([]image.Summary, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	label := labelBinary + "=" + hex.EncodeToString(sum[:])
	return engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
}

// removeImages removes the images of the programs of these tests: the next time
// others are built.
func (p *programs) removeImages() {
	engine, err := connect()
	if err != nil {
		return
	}
	defer engine.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	paths, _ := filepath.Glob(filepath.Join(p.dir, "*"))
	for _, path := range paths {
		images, _ := imageOf(ctx, engine, path)
		for _, im := range images {
			if _, err := engine.ImageRemove(ctx, im.ID, image.RemoveOptions{}); err != nil {
				fmt.Fprintln(os.Stderr, "remove the image of", path, err)
			}
		}
	}
}
