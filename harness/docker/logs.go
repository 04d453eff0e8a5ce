package docker

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// nodeLog is what has been read of a node's log.
type nodeLog struct {
	mu    sync.Mutex
	read  int64 // bytes of the file
	lines []world.LogLine
}

// Logs implements world.Cluster. Each call reads only what was added since the last.
func (c *cluster) Logs(ctx context.Context) ([]world.LogLine, error) {
	errs := make([]error, len(c.members))
	_ = c.each(ctx, func(ctx context.Context, m *member) error {
		errs[m.id] = c.readLog(ctx, m) // one that fails does not hinder the others
		return nil
	})
	var all []world.LogLine
	for _, m := range c.members {
		m.logs.mu.Lock()
		all = append(all, m.logs.lines...)
		m.logs.mu.Unlock()
	}
	return all, errors.Join(errs...)
}

// readLog reads on where it stopped, by a command in the container or, if that
// has ended, from its volume.
func (c *cluster) readLog(ctx context.Context, m *member) error {
	l := &m.logs
	l.mu.Lock()
	defer l.mu.Unlock()
	more, err := c.engine.run(ctx, m.container, binaryPath, AgentCommand, "logs",
		"-log", logFile, "-from", strconv.FormatInt(l.read, 10))
	if err != nil {
		more, err = c.copyLog(ctx, m, l.read)
	}
	l.add(m.id, more, c.origin)
	return err
}

// copyLog takes the log out of a container that may have ended.
func (c *cluster) copyLog(ctx context.Context, m *member, from int64) ([]byte, error) {
	archive, err := c.engine.file(ctx, m.container, logFile)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	t := tar.NewReader(archive)
	if _, err := t.Next(); err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, t, from); err != nil {
		return nil, err
	}
	return io.ReadAll(t)
}

// add takes in whole lines and leaves a last one without its end for later.
// The lines of a node are put in the order of their times: those of the actor
// carry their own, and what has none came when the agent read it.
func (l *nodeLog) add(id int, more []byte, origin int64) {
	more = more[:bytes.LastIndexByte(more, '\n')+1]
	l.read += int64(len(more))
	for line, err := range agent.ScanLog(bytes.NewReader(more)) {
		if err != nil {
			continue // not a line of ours
		}
		own := node.ParseLogLine(line.Text)
		at := cmp.Or(own.Mono, line.Mono)
		l.lines = append(l.lines, world.LogLine{Time: at - origin, Node: id, Text: own.Text})
	}
	slices.SortStableFunc(l.lines, func(a, b world.LogLine) int { return cmp.Compare(a.Time, b.Time) })
}
