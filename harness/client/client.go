// Package client says what stands between a workload and a system under test.
//
// A [Client] is written once, as a call that blocks: it translates an operation
// into requests, waits for the answers, and says how the operation ended. In
// the simulator it runs as a coroutine in virtual time, elsewhere on a
// goroutine. It starts no goroutine itself, reads no clock but [Env.Now] and
// waits for nothing but [Env.Call] and [Env.Sleep].
//
// The art is in the ending. OK means that it happened, Fail that it certainly
// did not, Info that nobody knows: whoever reports a timeout of a write as Fail
// accuses an innocent system, because the write may still arrive.
package client

import (
	"errors"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Env is what a client can see of the world and do to it.
type Env interface {
	// Node is the number of the node that the client belongs to, Nodes that of
	// all nodes. The client shares its node's side of a partition.
	Node() int
	Nodes() int
	// Now is the time since the start of the run.
	Now() time.Duration
	// Sleep waits.
	Sleep(d time.Duration)
	// Call sends a request to a node and waits for the answer. It fails with
	// ErrUnavailable if the request was certainly never handed over, and with
	// ErrTimeout if the node may have got it: when the connection broke under
	// way, or the deadline of the operation passed. The caller must not change
	// body afterwards.
	Call(node int, body []byte) ([]byte, error)
}

// Errors of [Env.Call].
var (
	// ErrUnavailable: nothing was sent. The operation certainly did not happen.
	ErrUnavailable = errors.New("unavailable")
	// ErrTimeout: no answer. The operation may or may not have happened, or
	// may happen later.
	ErrTimeout = errors.New("timeout")
)

// Client does operations for one process after the other. It is used by one
// process at a time, and closed and made anew after an operation ended as Info.
type Client interface {
	// Invoke does op, which is an invocation, and returns its completion.
	Invoke(env Env, op history.Op) history.Op
}

// OK completes op with a result.
func OK(op history.Op, result history.Value) history.Op {
	op.Type, op.Value = history.OK, result
	return op
}

// Fail completes an op that certainly did not happen. The value stays.
func Fail(op history.Op, reason string) history.Op {
	op.Type, op.Error = history.Fail, reason
	return op
}

// Info completes an op of which nobody knows whether it happened. The value stays.
func Info(op history.Op, reason string) history.Op {
	op.Type, op.Error = history.Info, reason
	return op
}

// Broken completes an op that ended in an error of [Env.Call]: as Fail if it
// was never sent or changes nothing, and as Info otherwise.
func Broken(op history.Op, err error, readOnly bool) history.Op {
	if readOnly || errors.Is(err, ErrUnavailable) {
		return Fail(op, err.Error())
	}
	return Info(op, err.Error())
}
