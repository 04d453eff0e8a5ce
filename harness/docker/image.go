package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// binaryPath is where the binary lies in the image, and in nodes.
const binaryPath = "/ordeal"

// repository is the name of our images; the tag is the hash of the binary.
const repository = "ordeal"

// program is the static binary that nodes run.
type program struct {
	path string
	size int64
	hash string // SHA-256, hexadecimal
}

func (b program) image() string { return repository + ":" + b.hash[:16] }

// findBinary opens the program, and makes sure that it can run with no other
// file around it.
func findBinary(path string) (program, error) {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return program{}, environment("this program does not find its own file: %w", err)
		}
		path = self
	}
	if err := checkStatic(path); err != nil {
		return program{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return program{}, environment("%w", err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return program{}, environment("%w", err)
	}
	return program{path, size, hex.EncodeToString(sum.Sum(nil))}, nil
}

// checkStatic refuses a program that needs a dynamic linker: there is none in
// an image that holds nothing else.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return environment("%s is not a Linux program: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return environment("%s is linked dynamically, so it cannot run in an empty container: "+
				"build it with CGO_ENABLED=0 go build (and without -race)", path)
		}
	}
	return nil
}

// ensureImage makes the image of the binary, unless it is there, and removes
// those of other builds that nobody uses.
func ensureImage(ctx context.Context, e *engine, b program) error {
	ref := b.image()
	there, err := e.hasImage(ctx, ref)
	if err != nil {
		return environment("look for image %s: %w", ref, err)
	}
	if there {
		return nil
	}
	if err := importBinary(ctx, e, b); err != nil {
		return environment("make image %s: %w", ref, err)
	}
	// Housekeeping: what cannot be removed now is for the next build, or for Clean.
	_, _ = removeImages(ctx, e, func(im imageInfo) bool { return im.binary != b.hash })
	return nil
}

// createFrom makes a container from the image of a program. It makes the image
// anew if another build has just removed it, because no container used it yet.
func createFrom(ctx context.Context, e *engine, b program, s containerSpec) (id string, err error) {
	s.image = b.image()
	id, err = e.createContainer(ctx, s)
	for try := 0; errors.Is(err, errNoImage) && try < 3; try++ {
		if err = ensureImage(ctx, e, b); err == nil {
			id, err = e.createContainer(ctx, s)
		}
	}
	return id, err
}

func importBinary(ctx context.Context, e *engine, b program) error {
	f, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeTar(w, f, b.size)) }()
	defer r.Close()
	return e.importImage(ctx, b.image(), r, map[string]string{Label: "1", LabelBinary: b.hash})
}

// writeTar writes the file system of a node: the binary, and the places where
// things are mounted.
func writeTar(w io.Writer, program io.Reader, size int64) error {
	t := tar.NewWriter(w)
	for _, dir := range []string{"tmp", strings.TrimPrefix(volumeDir, "/")} {
		for _, d := range parents(dir) {
			if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755}); err != nil {
				return err
			}
		}
	}
	h := tar.Header{Typeflag: tar.TypeReg, Name: path.Base(binaryPath), Mode: 0o755, Size: size}
	if err := t.WriteHeader(&h); err != nil {
		return err
	}
	if _, err := io.Copy(t, program); err != nil {
		return err
	}
	return t.Close()
}

// parents returns a path and all that lead to it, the shortest first.
func parents(dir string) []string {
	var all []string
	for i, r := range dir + "/" {
		if r == '/' {
			all = append(all, dir[:i])
		}
	}
	return all
}

// removeImages removes those of our images that are chosen and not in use, and
// returns their names.
func removeImages(ctx context.Context, e *engine, chosen func(imageInfo) bool) ([]string, error) {
	images, err := e.images(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var removed []string
	var errs []error
	for _, im := range images {
		if !chosen(im) {
			continue
		}
		ok, err := e.removeImage(ctx, im.id)
		if ok {
			removed = append(removed, im.name())
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func (im imageInfo) name() string {
	if len(im.tags) > 0 {
		return im.tags[0]
	}
	return im.id
}
