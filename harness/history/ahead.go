package history

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
)

// Files of lines are parsed in chunks, on all processors, after the first ones
// have shown what the file is. A chunk ends with a line. It counts only if it
// holds whole records and nothing else; at the first one that does not, whatever
// the reason, everything from there on is read one record after the other, so
// that damage is told from what is merely unusual in one place only.

// chunkSize is how long a chunk is, about, and how much is read before chunks
// are made: a shorter file is done before the workers are there.
const chunkSize = 1 << 20

// chunk is a part of the text with the records that were found in it.
type chunk struct {
	text    []byte
	at      int64 // of its first byte in the text
	records []record
	starts  []int // where each record begins
	bytes   int64 // memory that their values take
	whole   bool  // it holds whole records and nothing else
	done    chan struct{}
}

// splits reports whether what comes is worth parsing in chunks.
func (t *text) splits() bool {
	return !t.ahead && !t.wrapped && t.syntax != unknownSyntax && t.done+int64(t.i) >= int64(t.chunkSize) && runtime.GOMAXPROCS(0) > 1
}

// readAhead reads the rest of the file in chunks, as far as that goes. What it
// leaves is in the buffer and in the source as before.
func (t *text) readAhead() error {
	t.ahead = true
	workers := runtime.GOMAXPROCS(0)
	jobs := make(chan *chunk, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { parseChunks(t.syntax, jobs) })
	}
	defer wg.Wait() // so that what they hold is gone
	defer close(jobs)
	t.form = t.i
	t.slide()
	var queue []*chunk
	for {
		for len(queue) < workers+1 && (len(t.b) > 0 || !t.eof) {
			c, err := t.cut()
			if err != nil {
				t.giveBack(queue)
				return err
			}
			if c == nil {
				break // a line that is longer than a chunk
			}
			queue = append(queue, c)
			jobs <- c
		}
		if len(queue) == 0 {
			return nil
		}
		c := queue[0]
		<-c.done
		if !c.whole {
			t.giveBack(queue)
			return nil
		}
		if err := t.take(c); err != nil {
			return err
		}
		queue = queue[1:]
	}
}

// cut takes the lines of about one chunk from the text. It returns nil if there
// is no end of a line.
func (t *text) cut() (*chunk, error) {
	if cap(t.b) < 2*t.chunkSize {
		t.b = append(make([]byte, 0, 2*t.chunkSize), t.b...)
	}
	for !t.eof && len(t.b) < t.chunkSize {
		if err := t.read(); err != nil {
			return nil, err
		}
	}
	end := bytes.LastIndexByte(t.b, '\n') + 1
	if t.eof && t.broken == nil {
		end = len(t.b)
	}
	if end == 0 {
		return nil, nil
	}
	c := t.spare()
	spare := c.text
	c.text, c.at, c.done = t.b[:end], t.done, make(chan struct{})
	t.b = append(spare[:0], t.b[end:]...)
	t.done += int64(end)
	return c, nil
}

// spare returns a chunk to fill, one that was taken if there is one.
func (t *text) spare() *chunk {
	if n := len(t.spares); n > 0 {
		c := t.spares[n-1]
		t.spares = t.spares[:n-1]
		return c
	}
	return &chunk{text: make([]byte, 0, 2*t.chunkSize)}
}

// take adds the records of a chunk to the history.
func (t *text) take(c *chunk) error {
	b, done := t.b, t.done
	t.b, t.done = c.text, c.at
	for i := range c.records {
		t.form = c.starts[i]
		t.add(c.records[i])
	}
	t.arena.bytes += c.bytes
	var err error
	if t.used() > t.memory {
		err = fmt.Errorf("line %d: %w", t.line(t.form), ErrTooLarge)
	}
	t.lines += bytes.Count(c.text, []byte("\n"))
	t.b, t.done, t.i, t.form = b, done, 0, 0
	t.spares = append(t.spares, c)
	return err
}

// giveBack puts the text of chunks that were not taken before the buffer.
func (t *text) giveBack(chunks []*chunk) {
	var text []byte
	for _, c := range chunks {
		text = append(text, c.text...)
	}
	if len(chunks) > 0 {
		t.done = chunks[0].at
	}
	t.b = append(text, t.b...)
	t.i, t.form = 0, 0
}

// parseChunks parses chunks until there are no more.
func parseChunks(s syntax, jobs <-chan *chunk) {
	p := parser{arena: newArena()}
	for c := range jobs {
		before := p.arena.bytes
		c.whole = p.chunk(s, c)
		c.bytes = p.arena.bytes - before
		close(c.done)
	}
}

// chunk parses the records of a chunk, and reports whether there is nothing
// else in it.
func (p *parser) chunk(s syntax, c *chunk) bool {
	p.b, p.i = c.text, 0
	c.records, c.starts = c.records[:0], c.starts[:0]
	for {
		p.depth, p.stack = 0, p.stack[:0]
		if s == jsonSyntax {
			p.space()
		} else if p.blank() != nil {
			return false
		}
		if p.i >= len(p.b) {
			return true
		}
		start := p.i
		r, err := p.record(s)
		if err != nil {
			return false
		}
		c.records = append(c.records, r)
		c.starts = append(c.starts, start)
	}
}

func (p *parser) record(s syntax) (record, error) {
	if s == ednSyntax {
		return p.ednRecord()
	}
	return p.jsonRecord()
}
