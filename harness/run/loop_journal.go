package run

import (
	"errors"
	"sync"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// errJournalClosed is what a nemesis meets that goes on after the loop ended.
var errJournalClosed = errors.New("run: the loop has ended; nothing more is recorded")

// journal numbers records and stamps them. The loop and the worker of the
// nemesis write to it, which in real worlds are two goroutines: the lock is
// held from the choice of the index to the end of the write, so that the order
// of records is that of indices and of times.
type journal struct {
	rec Recorder

	mu   sync.Mutex
	next int
	last int64
	err  error // the first error; nothing is recorded after it
}

// record gives op its index and time, and writes it down. A time before that
// of the last record, read by another goroutine a moment ago, is moved to it.
func (j *journal) record(op *history.Op, now int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if now > j.last {
		j.last = now
	}
	op.Index, op.Time = j.next, j.last
	if err := j.rec.Record(op); err != nil {
		j.err = err
		return err
	}
	j.next++
	return nil
}

// end makes the journal refuse whatever comes later.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = errJournalClosed
	}
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}
