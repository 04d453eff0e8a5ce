package work

import (
	"testing"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// answers is a node that gives one answer, and keeps what it was asked.
type answers struct {
	client.Env
	answer []byte
	err    error
	asked  Command
}

func (a *answers) Node() int { return 0 }
func (a *answers) Call(_ int, body []byte) ([]byte, error) {
	r, err := request.Parse(body)
	if err != nil {
		panic(err)
	}
	if a.asked, err = ParseCommand(r.Body); err != nil {
		panic(err)
	}
	return a.answer, a.err
}

func fields(kvs ...history.Value) history.Value { return history.Map(kvs...) }

func TestClient(t *testing.T) {
	t.Parallel()
	name, number := history.String, history.Int
	held := fields(name("message"), number(7), name("token"), number(3))
	say := func(a Answer) []byte { return request.Answer(request.OK, a.AppendTo(nil)) }
	for _, c := range []struct {
		f      string
		value  history.Value
		answer []byte
		err    error
		asked  Command
		want   history.Op
	}{
		{f: "enqueue", value: number(7), answer: say(Answer{Result: Done}),
			asked: Command{Op: Enqueue, Queue: "q1", Message: "7"}, want: history.Op{Type: history.OK, Value: number(7)}},
		{f: "receive", answer: say(Answer{Result: Delivered, Message: "7", Token: 3, Visibility: 2e9}),
			asked: Command{Op: Receive, Queue: "q1"},
			want:  history.Op{Type: history.OK, Value: fields(name("message"), number(7), name("token"), number(3), name("visibility"), number(2000))}},
		{f: "receive", value: fields(name("dead"), history.Bool(true)), answer: say(Answer{Result: Empty}),
			asked: Command{Op: Receive, Queue: "q1/dead"}, want: history.Op{Type: history.OK, Value: history.Nil}},
		{f: "dequeue", answer: say(Answer{Result: Delivered, Message: "a text"}),
			asked: Command{Op: Receive, Queue: "q1"}, want: history.Op{Type: history.OK, Value: name("a text")}},
		{f: "ack", value: held, answer: say(Answer{Result: Stale}),
			asked: Command{Op: Ack, Queue: "q1", Message: "7", Token: 3}, want: history.Op{Type: history.Fail, Value: held, Error: "stale-receipt"}},
		{f: "nack", value: held, answer: request.Answer(request.Unknown, nil),
			asked: Command{Op: Nack, Queue: "q1", Message: "7", Token: 3}, want: history.Op{Type: history.Info, Value: held, Error: "unknown"}},
		{f: "extend", value: held, answer: say(Answer{Result: Delivered, Message: "7", Token: 3, Visibility: 1e9}),
			asked: Command{Op: Extend, Queue: "q1", Message: "7", Token: 3}, want: history.Op{Type: history.OK, Value: fields(name("visibility"), number(1000))}},
		{f: "enqueue", value: number(7), err: client.ErrTimeout,
			asked: Command{Op: Enqueue, Queue: "q1", Message: "7"}, want: history.Op{Type: history.Info, Value: number(7), Error: "timeout"}},
		{f: "receive", answer: request.Answer(request.Unavailable, nil),
			asked: Command{Op: Receive, Queue: "q1"}, want: history.Op{Type: history.Fail, Error: "unavailable"}},
	} {
		node := &answers{answer: c.answer, err: c.err}
		got := NewClient().Invoke(node, history.Op{F: c.f, Key: name("q1"), Value: c.value})
		if got.Type != c.want.Type || !got.Value.Equal(c.want.Value) || got.Error != c.want.Error || node.asked != c.asked {
			t.Errorf("%s %v: asked %+v, and it became %v %v %q; want %+v, and %v %v %q",
				c.f, c.value, node.asked, got.Type, got.Value, got.Error, c.asked, c.want.Type, c.want.Value, c.want.Error)
		}
	}
	if got := NewClient().Invoke(nil, history.Op{F: "write"}); got.Type != history.Fail {
		t.Errorf("a write became %v", got)
	}
}
