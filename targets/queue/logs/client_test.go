package logs

import (
	"encoding/binary"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// script is a node that gives one answer after the other; an empty one is a timeout.
type script struct {
	client.Env
	answers [][]byte
	calls   int
}

func (s *script) Node() int { return 0 }
func (s *script) Call(int, []byte) ([]byte, error) {
	answer := s.answers[s.calls]
	if s.calls++; answer == nil {
		return nil, client.ErrTimeout
	}
	return answer, nil
}

// A send has failed only if nothing of it was sent. What was acknowledged before it
// ended is known with its offset, and nothing is sent after that.
func TestSendsInParts(t *testing.T) {
	t.Parallel()
	at := func(offset uint64) []byte {
		return request.Answer(request.OK, binary.AppendUvarint([]byte{done}, offset))
	}
	no := request.Answer(request.Unavailable, nil)
	send := func(key string, v history.Value) history.Value {
		return history.List(history.String("send"), history.String(key), v)
	}
	a, b := send("t1-0", history.Int(7)), send("t1-1", history.Int(8))
	placed := send("t1-0", history.Ints(4, 7))
	for _, c := range []struct {
		name    string
		answers [][]byte
		want    history.Type
		value   history.Value
	}{
		{"both are there", [][]byte{at(4), at(5)}, history.OK, history.List(placed, send("t1-1", history.Ints(5, 8)))},
		{"the first is refused", [][]byte{no}, history.Fail, history.List(a, b)},
		{"the second is refused", [][]byte{at(4), no}, history.Info, history.List(placed, b)},
		{"nothing is known of the first", [][]byte{nil}, history.Info, history.List(a, b)},
		{"nothing is known of the second", [][]byte{at(4), nil}, history.Info, history.List(placed, b)},
	} {
		s := &script{answers: c.answers}
		op := NewClient(Config{Topics: 1, Partitions: 2}).Invoke(s, history.Op{F: "send", Value: history.List(a, b)})
		if op.Type != c.want || !op.Value.Equal(c.value) || s.calls != len(c.answers) {
			t.Errorf("%s: %v %v after %d calls, want %v %v", c.name, op.Type, op.Value, s.calls, c.want, c.value)
		}
	}
}
