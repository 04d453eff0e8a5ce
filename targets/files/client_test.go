package files

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/files/ask"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// answering is a node that answers everything alike.
type answering struct {
	client.Env
	answer []byte
	err    error
}

func (a answering) Node() int                        { return 0 }
func (a answering) Call(int, []byte) ([]byte, error) { return a.answer, a.err }

// A content is read as its tag, one that was cut as such, and what is neither as none.
func TestContent(t *testing.T) {
	t.Parallel()
	longest := 0
	for n := range int64(500) {
		tag := history.Int(n)
		b := content(request.Text(tag))
		longest = max(longest, len(b))
		if got := tagOf(b); !got.Equal(tag) {
			t.Fatalf("the content of %v is read as %v", tag, got)
		}
		if got := tagOf(b[:cutLength(b)]); !got.Get("cut").Equal(tag) {
			t.Fatalf("the content of %v that was cut is read as %v", tag, got)
		}
		other := content(request.Text(history.Int(n + 1)))
		for _, bad := range [][]byte{b[:len(b)-1], b[:cutLength(b)-1], append(slices.Clone(b[:60]), other[60:]...), nil, append(slices.Clone(b), 'x')} {
			if got := tagOf(bad); got.Kind() != history.KindString {
				t.Fatalf("%.50q is read as %v", bad, got)
			}
		}
	}
	if longest < 1100 {
		t.Errorf("the longest content has %d bytes, less than three blocks", longest)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	var b []byte
	for n := range int64(20) {
		b = append(b, record(history.Int(n))...)
	}
	if got := records(b); len(got.Elems()) != 20 || !got.Elems()[7].Equal(history.Int(7)) {
		t.Errorf("read %v", got)
	}
	for _, bad := range [][]byte{b[1:], b[:recordSize+5], append(slices.Clone(b[:10]), b[:recordSize]...)} {
		all := records(bad).Elems()
		if !slices.ContainsFunc(all, func(v history.Value) bool { return v.Kind() == history.KindString }) {
			t.Errorf("%.60q is read as %v", bad, all)
		}
	}
	if len(record(history.Int(1<<62))) != recordSize {
		t.Error("a record is longer than a record")
	}
}

// How answers end operations. Only what certainly did not happen fails.
func TestEndings(t *testing.T) {
	t.Parallel()
	space := func(c namespace.Code) []byte {
		return request.Answer(request.OK, (&namespace.Answer{Code: c}).Append(nil))
	}
	pair := history.List(history.String("a"), history.String("b"))
	cut := history.Map(history.String("cut"), history.Int(1))
	lost := errors.New("lost")
	for _, c := range []struct {
		op   history.Op
		from answering
		want history.Type
		out  history.Value
	}{
		{history.Op{F: "create", Value: history.String("a")}, answering{answer: space(namespace.OK)}, history.OK, history.String("a")},
		{history.Op{F: "create", Value: history.String("a")}, answering{answer: space(namespace.Exists)}, history.Fail, history.String("a")},
		{history.Op{F: "rename", Value: pair}, answering{answer: space(namespace.OK)}, history.OK, pair},
		{history.Op{F: "rename", Value: pair}, answering{answer: space(namespace.Safe)}, history.Fail, pair},
		{history.Op{F: "rename", Value: history.Int(1)}, answering{}, history.Fail, history.Int(1)},
		{history.Op{F: "delete", Value: history.String("a")}, answering{answer: request.Answer(request.Unknown, nil)}, history.Info, history.String("a")},
		{history.Op{F: "delete", Value: history.String("a")}, answering{err: client.ErrTimeout}, history.Info, history.String("a")},
		{history.Op{F: "list"}, answering{err: client.ErrTimeout}, history.Fail, history.Value{}},
		{history.Op{F: "list"}, answering{answer: space(namespace.OK)}, history.OK, history.Map()},
		{history.Op{F: "write", Key: history.String("f"), Value: history.Int(1)}, answering{answer: request.Answer(request.Unavailable, nil)}, history.Fail, history.Int(1)},
		{history.Op{F: "write", Key: history.String("f"), Value: history.Int(1)}, answering{err: lost}, history.Info, history.Int(1)},
		{history.Op{F: "read", Key: history.String("f")}, answering{answer: request.Answer(ask.Missing, nil)}, history.OK, history.Nil},
		{history.Op{F: "read", Key: history.String("f")}, answering{answer: request.Answer(request.OK, content("8"))}, history.OK, history.Int(8)},
		{history.Op{F: "write", Key: history.String("f"), Value: cut}, answering{answer: space(namespace.OK)}, history.OK, cut},
		{history.Op{F: "write", Key: history.String("f"), Value: cut}, answering{answer: space(namespace.NotFound)}, history.Fail, cut},
		{history.Op{F: "write", Key: history.String("f"), Value: cut}, answering{err: lost}, history.Info, cut},
		{history.Op{F: "move", Key: history.String("f")}, answering{answer: space(namespace.Leased)}, history.Fail, history.Value{}},
	} {
		if got := (&filesClient{}).Invoke(c.from, c.op); got.Type != c.want || !got.Value.Equal(c.out) {
			t.Errorf("%v: %v %v, want %v %v", c.op, got.Type, got.Value, c.want, c.out)
		}
	}
	for _, c := range []struct {
		f    string
		from answering
		want history.Type
		out  history.Value
	}{
		{"append", answering{answer: request.Answer(request.OK, nil)}, history.OK, history.Int(1)},
		{"append", answering{answer: request.Answer(ask.Missing, nil)}, history.Info, history.Int(1)},
		{"read", answering{answer: request.Answer(request.OK, record(history.Int(4)))}, history.OK, history.Ints(4)},
		{"read", answering{answer: request.Answer(ask.Missing, nil)}, history.OK, history.List()},
		{"sync", answering{answer: request.Answer(request.OK, binary.AppendUvarint(nil, 3*recordSize))}, history.OK, history.Int(3)},
		{"sync", answering{answer: request.Answer(request.Unavailable, nil)}, history.Fail, history.Int(1)},
		{"remove", answering{answer: space(namespace.OK)}, history.OK, history.Int(1)},
		{"remove", answering{answer: space(namespace.NotFound)}, history.Fail, history.Int(1)},
		{"cut", answering{answer: space(namespace.OK)}, history.OK, history.Int(1)},
		{"cut", answering{answer: space(namespace.Leased)}, history.Fail, history.Int(1)},
		{"move", answering{answer: space(namespace.OK)}, history.OK, history.Int(1)},
		{"move", answering{answer: space(namespace.Exists)}, history.Fail, history.Int(1)},
		{"move", answering{err: lost}, history.Info, history.Int(1)},
		{"write", answering{}, history.Fail, history.Int(1)},
	} {
		op := history.Op{F: c.f, Key: history.String("s"), Value: history.Int(1)}
		if got := (&appendClient{}).Invoke(c.from, op); got.Type != c.want || !got.Value.Equal(c.out) {
			t.Errorf("%s: %v %v, want %v %v", c.f, got.Type, got.Value, c.want, c.out)
		}
	}
}

// Settings and bugs that make no sense are refused with words.
func TestSettings(t *testing.T) {
	t.Parallel()
	target := New()
	for _, c := range []struct {
		set  map[string]string
		bugs []string
		ok   bool
	}{
		{nil, nil, true},
		{map[string]string{"read": "any", "replication": "1"}, nil, true},
		{map[string]string{"replication": "0"}, nil, false},
		{map[string]string{"snapshot-every": "many"}, nil, false},
		{nil, []string{"CP1"}, false},
	} {
		s, err := targets.Fill(target, c.set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := target.Boot(s, c.bugs); (err == nil) != c.ok {
			t.Errorf("%v %v: %v", c.set, c.bugs, err)
		}
	}
	if _, err := target.Client(nil, "register"); !errors.Is(err, targets.ErrUnsupported) {
		t.Errorf("a client for registers: %v", err)
	}
	for _, c := range []struct{ read, standby, level string }{{"latest", "off", "close-to-open"}, {"any", "off", "eventual"}, {"latest", "on", "eventual"}} {
		if got := target.Promise(targets.Settings{"read": c.read, "standby-reads": c.standby}); got.Level != c.level {
			t.Errorf("%+v promises %s", c, got.Level)
		}
	}
}
