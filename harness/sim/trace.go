package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/harness/world"
)

// Occurrence is an event as people see it.
type Occurrence struct {
	Index uint64 // its place in the run, from 0
	Time  int64  // virtual time in nanoseconds
	Kind  string // "message", "request", "disk" and so on
	From  string // "n1", "client 0", "nemesis 10", or "" where nobody sent it
	To    string
	Bytes []byte // what it delivers
}

// String describes the event in a line: when, what, between whom, and the
// beginning of what it delivers.
func (o Occurrence) String() string {
	who := o.To
	if o.From != "" {
		who = o.From + "→" + o.To
	}
	s := fmt.Sprintf("event %d at %.6f s: %s %s", o.Index, float64(o.Time)/1e9, o.Kind, who)
	if len(o.Bytes) == 0 {
		return s
	}
	const show = 48
	head := o.Bytes[:min(show, len(o.Bytes))]
	s += fmt.Sprintf(", %d bytes %s", len(o.Bytes), strconv.QuoteToASCII(string(head)))
	if len(o.Bytes) > show {
		s += "…"
	}
	return s
}

// Divergence is the first event in which a run differs from the recorded one.
type Divergence struct {
	Occurrence      // what happened in this run; only Index is set if Ended
	Ended      bool // this run ended where the recorded one went on
	Extra      bool // this run went on where the recorded one ended
}

// String says in a sentence where the runs part.
func (d Divergence) String() string {
	switch {
	case d.Ended:
		return fmt.Sprintf("the run ended before event %d of the recording", d.Index)
	case d.Extra:
		return "the recording ended before " + d.Occurrence.String()
	default:
		return "first difference: " + d.Occurrence.String()
	}
}

// trace chains a hash over all events: each hash covers the one before, so two
// bytes of each are enough to find the first event in which two runs differ.
type trace struct {
	hash    uint64
	events  uint64
	record  io.Writer
	buffer  []byte
	err     error
	expect  []byte
	compare bool
	diff    *Divergence
}

const traceBytes = 2

func newTrace(spec world.Spec) trace {
	return trace{record: spec.Record, expect: spec.Expect, compare: spec.Expect != nil}
}

// add takes an event into the hash.
func (t *trace) add(now int64, e *event) {
	var h [42]byte
	binary.LittleEndian.PutUint64(h[0:], t.hash)
	binary.LittleEndian.PutUint64(h[8:], uint64(now))
	binary.LittleEndian.PutUint64(h[16:], e.id)
	binary.LittleEndian.PutUint32(h[24:], uint32(e.from))
	binary.LittleEndian.PutUint32(h[28:], uint32(e.to))
	if len(e.body) > 0 {
		binary.LittleEndian.PutUint64(h[32:], xxhash.Sum64(e.body))
	}
	h[40] = byte(e.kind)
	if e.held {
		h[41] = 1
	}
	t.hash = xxhash.Sum64(h[:])
	t.events++
}

// write appends the last event to the recording.
func (t *trace) write() {
	if t.record == nil {
		return
	}
	t.buffer = binary.LittleEndian.AppendUint16(t.buffer, uint16(t.hash))
	if len(t.buffer) >= 1<<14 {
		t.flush()
	}
}

func (t *trace) flush() {
	if t.record == nil || len(t.buffer) == 0 || t.err != nil {
		return
	}
	if _, err := t.record.Write(t.buffer); err != nil {
		t.err = fmt.Errorf("sim: the trace could not be recorded: %w", err)
	}
	t.buffer = t.buffer[:0]
}

// differs reports whether the last event is the first that is not as recorded,
// and whether the recording had ended before.
func (t *trace) differs() (differs, extra bool) {
	if !t.compare || t.diff != nil {
		return false, false
	}
	at := (t.events - 1) * traceBytes
	if at+traceBytes > uint64(len(t.expect)) {
		return true, true
	}
	return binary.LittleEndian.Uint16(t.expect[at:]) != uint16(t.hash), false
}

// note records that e happens now. All that happens goes through here.
func (c *Cluster) note(e *event) {
	if c.cfg.Tamper != nil && len(e.body) > 0 && e.kind < kBoot {
		e.body = c.cfg.Tamper(c.trace.events, e.body)
	}
	c.trace.add(c.now, e)
	if c.watched {
		c.watch(e)
	}
}

// watch serves those who want to see single events.
func (c *Cluster) watch(e *event) {
	c.trace.write()
	if c.cfg.Observe != nil {
		c.cfg.Observe(c.occurrence(e))
	}
	if differs, extra := c.trace.differs(); differs {
		o := c.occurrence(e)
		o.Bytes = append([]byte(nil), o.Bytes...)
		c.trace.diff = &Divergence{Occurrence: o, Extra: extra}
	}
}

func (c *Cluster) occurrence(e *event) Occurrence {
	o := Occurrence{Index: c.trace.events - 1, Time: c.now, Kind: kindNames[e.kind], Bytes: e.body}
	switch e.kind {
	case kMessage, kProbe:
		o.From, o.To = endName(e.from), endName(e.to)
	case kRequest, kAsk:
		o.From, o.To = c.workers[e.from].String(), endName(e.to)
	case kReply, kRefused, kReset, kAnswer:
		o.From, o.To = endName(e.from), c.workers[e.to].String()
	case kTurn:
		o.To = c.workers[e.to].String()
	case kCut, kShape:
		o.To = "network"
	default:
		o.To = endName(e.to)
	}
	return o
}

// Events returns how many events there were so far.
func (c *Cluster) Events() uint64 { return c.trace.events }

// Digest implements world.Cluster: it covers every byte that was delivered to
// nodes and clients, and the time and the ends of every event.
func (c *Cluster) Digest() string { return fmt.Sprintf("%016x", c.trace.hash) }

// Difference returns the first event that is not as in Spec.Expect, and nil if
// there is none. It is to be asked when the run is over: a run that has had
// fewer events than the recording differs from it as well.
func (c *Cluster) Difference() *Divergence {
	t := &c.trace
	if t.diff == nil && t.compare && t.events*traceBytes < uint64(len(t.expect)) {
		return &Divergence{Occurrence: Occurrence{Index: t.events}, Ended: true}
	}
	return t.diff
}

// Divergence implements world.Exact: it is Difference in words.
func (c *Cluster) Divergence() string {
	if d := c.Difference(); d != nil {
		return d.String()
	}
	return ""
}
