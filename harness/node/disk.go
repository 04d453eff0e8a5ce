package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// disk is an actor.Disk on a directory. The actor's calls queue operations; one
// worker carries them out in order and posts the completions, in that order.
//
// What has queued up is done as one batch in which a file is synced once, after
// the last append of the batch: a Sync may cover more than what came before
// it, never less.
type disk struct {
	dir string

	mu    sync.Mutex
	queue []diskOp
	more  chan struct{} // has room for one: the queue is not empty

	open map[string]*os.File // files that are being appended to; the worker's
}

// diskOp is an operation in one of two forms. Appends and syncs can be batched
// with their neighbours; everything else is a function on its own.
type diskOp struct {
	kind diskKind
	name string
	data []byte
	done func(error) // of kinds other than opOther

	run func() func() // of opOther: acts and returns its completion
}

type diskKind uint8

const (
	opOther diskKind = iota
	opAppend
	opSync
	opSyncDir
)

// maxOpenFiles bounds the descriptors that the disk keeps.
const maxOpenFiles = 64

// Names in the data directory: the actor's files are one level below.
const (
	filesDir = "files"
	bootFile = "boot"
)

// openDisk opens a data directory, creates it if needed, counts this start in
// it and returns the count, 1 for the first.
func openDisk(dir string) (*disk, uint64, error) {
	files := filepath.Join(dir, filesDir)
	if err := os.MkdirAll(files, 0o755); err != nil {
		return nil, 0, fmt.Errorf("node: data directory: %w", err)
	}
	boot, err := countBoot(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("node: count of starts: %w", err)
	}
	return &disk{dir: files, more: make(chan struct{}, 1), open: make(map[string]*os.File)}, boot, nil
}

// countBoot adds one to the number in the boot file, durably and in one step.
func countBoot(dir string) (uint64, error) {
	path := filepath.Join(dir, bootFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	var boot uint64
	if err == nil {
		if boot, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	boot++
	if err := writeSynced(path+".new", fmt.Sprintln(boot)); err != nil {
		return 0, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return 0, err
	}
	return boot, syncDir(dir)
}

func writeSynced(path, text string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (d *disk) Append(name string, data []byte, done func(error)) {
	d.push(diskOp{kind: opAppend, name: name, data: data, done: done})
}

func (d *disk) Sync(name string, done func(error)) {
	d.push(diskOp{kind: opSync, name: name, done: done})
}

func (d *disk) SyncDir(done func(error)) { d.push(diskOp{kind: opSyncDir, done: done}) }

func (d *disk) Read(name string, done func([]byte, error)) {
	d.push(diskOp{run: func() func() {
		data, err := d.read(name)
		return func() { done(data, err) }
	}})
}

func (d *disk) List(done func([]string, error)) {
	d.push(diskOp{run: func() func() {
		names, err := d.list()
		return func() { done(names, err) }
	}})
}

func (d *disk) Rename(from, to string, done func(error)) {
	d.push(diskOp{run: func() func() {
		err := d.rename(from, to)
		return func() { done(err) }
	}})
}

func (d *disk) Remove(name string, done func(error)) {
	d.push(diskOp{run: func() func() {
		err := d.remove(name)
		return func() { done(err) }
	}})
}

func (d *disk) push(op diskOp) {
	d.mu.Lock()
	d.queue = append(d.queue, op)
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
}

func (d *disk) take() []diskOp {
	d.mu.Lock()
	defer d.mu.Unlock()
	ops := d.queue
	d.queue = nil
	return ops
}

// work carries out operations until ctx ends. Those that wait then are not done.
func (d *disk) work(ctx context.Context, post func(func()) bool) {
	defer d.closeAll()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.more:
		}
		for ops := d.take(); len(ops) > 0 && ctx.Err() == nil; {
			ops = d.step(ops, post)
		}
	}
}

// step does the first operation, or the first batch, and returns the rest.
func (d *disk) step(ops []diskOp, post func(func()) bool) []diskOp {
	if ops[0].kind == opOther {
		post(ops[0].run())
		return ops[1:]
	}
	n := slices.IndexFunc(ops, func(op diskOp) bool { return op.kind == opOther })
	if n < 0 {
		n = len(ops)
	}
	d.batch(ops[:n], post)
	return ops[n:]
}

// batch appends everything, syncs every file once, and completes in order.
// Appends before the first sync do not wait for it.
func (d *disk) batch(ops []diskOp, post func(func()) bool) {
	errs := make([]error, len(ops))
	for i, op := range ops {
		if op.kind == opAppend {
			errs[i] = d.append(op.name, op.data)
		}
	}
	first := slices.IndexFunc(ops, func(op diskOp) bool { return op.kind != opAppend })
	if first < 0 {
		first = len(ops)
	}
	complete(ops[:first], errs, post)
	synced := make(map[string]error)
	for i, op := range ops {
		if op.kind != opAppend {
			errs[i] = d.syncOnce(synced, op)
		}
	}
	complete(ops[first:], errs[first:], post)
}

func complete(ops []diskOp, errs []error, post func(func()) bool) {
	for i, op := range ops {
		err := errs[i]
		post(func() { op.done(err) })
	}
}

func (d *disk) syncOnce(synced map[string]error, op diskOp) error {
	name := op.name // empty for the directory, and never empty for a file
	if err, ok := synced[name]; ok {
		return err
	}
	var err error
	if op.kind == opSyncDir {
		name, err = "", syncDir(d.dir)
	} else {
		err = d.sync(name)
	}
	synced[name] = err
	return err
}

// path returns where a file lies. Names are flat.
func (d *disk) path(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return "", fmt.Errorf("node: %q cannot be the name of a file: names are flat and not empty", name)
	}
	return filepath.Join(d.dir, name), nil
}

// known translates the error of a missing file into the one of the contract.
func known(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return actor.ErrNotExist
	}
	return err
}

func (d *disk) append(name string, data []byte) error {
	f, err := d.file(name, os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return err
}

func (d *disk) sync(name string) error {
	f, err := d.file(name, 0)
	if err != nil {
		return known(err)
	}
	return f.Sync()
}

// file returns the open file of that name, and opens it if it is not.
func (d *disk) file(name string, create int) (*os.File, error) {
	if f := d.open[name]; f != nil {
		return f, nil
	}
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|create, 0o644)
	if err != nil {
		return nil, err
	}
	if len(d.open) >= maxOpenFiles {
		d.closeAll()
	}
	d.open[name] = f
	return f, nil
}

func (d *disk) read(name string) ([]byte, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	return data, known(err)
}

func (d *disk) list() ([]string, error) {
	entries, err := os.ReadDir(d.dir) // sorted
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d *disk) rename(from, to string) error {
	source, err := d.path(from)
	if err != nil {
		return err
	}
	target, err := d.path(to)
	if err != nil {
		return err
	}
	d.forget(from)
	d.forget(to)
	return known(os.Rename(source, target))
}

func (d *disk) remove(name string) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	d.forget(name)
	return known(os.Remove(path))
}

// forget closes a file whose name is about to mean something else.
func (d *disk) forget(name string) {
	if f := d.open[name]; f != nil {
		_ = f.Close()
		delete(d.open, name)
	}
}

func (d *disk) closeAll() {
	for name := range d.open { // order cannot be seen
		d.forget(name)
	}
}
