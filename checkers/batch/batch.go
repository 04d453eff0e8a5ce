// Package batch judges jobs that turn input into output, once through or as a
// stream: does every record come out exactly once, with the right value, and all
// or nothing of what is committed together?
//
//	input      JOB {"id": X, "value": V, "expect": W, "time": 7}   JOB is the key; ok if the job took it in
//	output     JOB => {"records": [{"id": X, "value": W, "task": T, "attempt": A, "epoch": E}…], "late": [X…]}
//	watermark  JOB => 7                                             no record with an earlier time is waited for
//
// An output is all that can be seen at that moment; a plain list of records will
// do. It has to be complete in the final phase. "expect" is what the job has to
// make of the value, and is the value itself if it is left out. "time",
// "task", "attempt", "epoch" and "late" can be left out. A record that is put in
// again under the same id is a retry.
//
//	missing              put in with success, and not in an output of the final phase
//	duplicate            twice in one output
//	phantom              in an output, and nobody put it in, or only with inputs that failed
//	premature            in an output before its input began
//	wrong-value          in an output with another value than expected
//	vanished             in an output, and not in one that began later
//	torn-epoch           an output has one record of an epoch, but not another
//	two-attempts         the output has records of two attempts of one task
//	wrongly-late         dropped as late, although a watermark that was asked for after its input was not beyond it
//	late-twice           dropped as late, and in the same output all the same
//	watermark-regressed  a watermark is lower than one that had been told before
//
// Records of one epoch (a checkpoint, a transaction of the sink) become visible
// together (Carbone and others, 2015); of all attempts of a task, one commits (Dean and
// Ghemawat, 2004). Linear time in the records of all outputs.
package batch

import (
	"context"
	"fmt"
	"math"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "batch"

// Names of the anomalies.
const (
	Missing            = "missing"
	Duplicate          = "duplicate"
	Phantom            = "phantom"
	Premature          = "premature"
	WrongValue         = "wrong-value"
	Vanished           = "vanished"
	TornEpoch          = "torn-epoch"
	TwoAttempts        = "two-attempts"
	WronglyLate        = "wrongly-late"
	LateTwice          = "late-twice"
	WatermarkRegressed = "watermark-regressed"
)

// Anomalies returns the names of all anomalies, the gravest first.
func Anomalies() []string {
	return []string{Missing, Vanished, Duplicate, TwoAttempts, TornEpoch, WrongValue, Phantom, Premature, WronglyLate, LateTwice, WatermarkRegressed}
}

// Report counts what went in and came out, over all jobs.
type Report struct {
	Input   int            `json:"input"`   // records that were put in with success
	Outputs int            `json:"outputs"` // reads of the output
	Final   int            `json:"final"`   // of these, in the final phase
	Records int            `json:"records"` // different ones in the outputs
	Late    int            `json:"late"`    // different ones that were dropped as late
	Broken  map[string]int `json:"broken"`  // how often each rule was

	book rules.Book
}

// New returns a checker of exactly-once output.
func New() checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := Check(ctx, h)
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case r.Outputs == 0 && !r.book.Broken():
			return checkers.Unknownf("no output was read with success: there is nothing to judge").Detail(r)
		default:
			return r.book.Result(Anomalies(), Name, nil, nil).Detail(r)
		}
	})
}

// op is a call with the places in the history where it began and ended.
type op struct {
	history.Call
	inv, res int
}

func opOf(c history.Call) op {
	o := op{c, c.Invoke.Index, math.MaxInt}
	if c.Type() == history.OK {
		o.res = c.Complete.Index
	}
	return o
}

// job is all that happened to a job.
type job struct {
	key     string
	clock   checkers.Clock
	report  *Report
	ids     intern.Table
	epochs  intern.Table
	tasks   intern.Table
	records []record // by number of the id
	outputs []output // in the order of invocation
	marks   []op     // watermarks
}

// record is what happened to a record.
type record struct {
	first    op // its first input; Invoke is nil if there is none
	acked    op // the input that was ok and ended first
	possible bool
	expect   history.Value
	time     int64
	timed    bool
	shown    op // the output with it that ended first
	late     bool
}

// output is what could be seen at a moment.
type output struct {
	op
	rows []row
	late []int32
}

// row is a record of an output; epoch and task are -1 if it has none.
type row struct {
	id, epoch, task int32
	value, attempt  history.Value
}

// Check judges the operations of h on jobs. It is an error if they do not have
// the form that the package says, or if ctx ends.
func Check(ctx context.Context, h *history.History) (*Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	var keys intern.Table
	var jobs []*job
	for i, c := range calls {
		if i%1024 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations were read: %w", i, len(calls), context.Cause(ctx))
		}
		if f := c.Invoke.F; f != "input" && f != "output" && f != "watermark" {
			continue
		}
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(jobs) {
			jobs = append(jobs, &job{key: checkers.KeyName(c.Invoke.Key), clock: checkers.ClockOf(calls), report: r})
		}
		if err := jobs[k].call(opOf(c)); err != nil {
			return nil, fmt.Errorf("index %d: %w; see what the client records", c.Invoke.Index, err)
		}
	}
	for _, j := range jobs {
		if err := j.judge(ctx); err != nil {
			return nil, err
		}
	}
	r.Broken = r.book.Counts()
	return r, nil
}

func (j *job) judge(ctx context.Context) error {
	for i := range j.outputs {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d outputs: %w; broken so far: %v", i, len(j.outputs), context.Cause(ctx), j.report.book.Counts())
		}
		j.alone(&j.outputs[i])
	}
	for i := range j.records {
		if j.records[i].acked.Invoke != nil {
			j.report.Input++
		}
		if j.records[i].late {
			j.report.Late++
		}
		if j.records[i].shown.Invoke != nil {
			j.report.Records++
		}
	}
	j.complete()
	j.stay()
	j.whole()
	j.attempts()
	j.watermarks()
	return nil
}
