package store_test

import (
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/store"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// answering is a world in which every request gets the same answer.
type answering struct {
	answer []byte
	err    error
	got    []kv.Request
}

func (*answering) Node() int           { return 2 }
func (*answering) Nodes() int          { return 5 }
func (*answering) Now() time.Duration  { return 0 }
func (*answering) Sleep(time.Duration) {}

func (a *answering) Call(node int, body []byte) ([]byte, error) {
	req, err := kv.ParseRequest(body)
	if err != nil || node != 2 {
		panic("a client spoke to the wrong node, or not in its language")
	}
	a.got = append(a.got, req)
	return a.answer, a.err
}

func answer(r kv.Response) *answering { return &answering{answer: r.AppendTo(nil)} }

func newClient(t *testing.T, workload string) client.Client {
	t.Helper()
	s, err := targets.Fill(store.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.New().Client(s, workload)
	if err != nil {
		t.Fatal(err)
	}
	return c()
}

// TestEndings: how an operation ends depends on what is certain, and nothing else.
func TestEndings(t *testing.T) {
	t.Parallel()
	pair := history.Ints(1, 2)
	for name, c := range map[string]struct {
		workload, f string
		arg         history.Value
		env         *answering
		want        history.Type
		value       history.Value
	}{
		"read":                {"register", "read", history.Value{}, answer(kv.Response{Code: kv.OK, Value: "7"}), history.OK, history.Int(7)},
		"read text":           {"register", "read", history.Value{}, answer(kv.Response{Code: kv.OK, Value: "x"}), history.OK, history.String("x")},
		"read nothing":        {"register", "read", history.Value{}, answer(kv.Response{Code: kv.NotFound}), history.OK, history.Nil},
		"read unavailable":    {"register", "read", history.Value{}, answer(kv.Response{Code: kv.Unavailable}), history.Fail, history.Value{}},
		"read unknown":        {"register", "read", history.Value{}, answer(kv.Response{Code: kv.Unknown}), history.Fail, history.Value{}},
		"read timeout":        {"register", "read", history.Value{}, &answering{err: client.ErrTimeout}, history.Fail, history.Value{}},
		"delete":              {"register", "delete", history.Value{}, answer(kv.Response{Code: kv.OK}), history.OK, history.Value{}},
		"delete nothing":      {"register", "delete", history.Value{}, answer(kv.Response{Code: kv.NotFound}), history.Fail, history.Value{}},
		"write":               {"register", "write", history.Int(3), answer(kv.Response{Code: kv.OK}), history.OK, history.Int(3)},
		"write unavailable":   {"register", "write", history.Int(3), answer(kv.Response{Code: kv.Unavailable}), history.Fail, history.Int(3)},
		"write unknown":       {"register", "write", history.Int(3), answer(kv.Response{Code: kv.Unknown}), history.Info, history.Int(3)},
		"write timeout":       {"register", "write", history.Int(3), &answering{err: client.ErrTimeout}, history.Info, history.Int(3)},
		"write never sent":    {"register", "write", history.Int(3), &answering{err: client.ErrUnavailable}, history.Fail, history.Int(3)},
		"write, bad answer":   {"register", "write", history.Int(3), &answering{answer: []byte{1, 200}}, history.Info, history.Int(3)},
		"cas":                 {"register", "cas", pair, answer(kv.Response{Code: kv.OK}), history.OK, pair},
		"cas mismatch":        {"register", "cas", pair, answer(kv.Response{Code: kv.Mismatch, Value: "9"}), history.Fail, pair},
		"cas unsupported":     {"register", "cas", pair, answer(kv.Response{Code: kv.Unsupported}), history.Fail, pair},
		"cas without a pair":  {"register", "cas", history.Int(1), answer(kv.Response{}), history.Fail, history.Int(1)},
		"add":                 {"set", "add", history.Int(3), answer(kv.Response{Code: kv.OK}), history.OK, history.Int(3)},
		"add unknown":         {"set", "add", history.Int(3), answer(kv.Response{Code: kv.Unknown}), history.Info, history.Int(3)},
		"add timeout":         {"set", "add", history.Int(3), &answering{err: client.ErrTimeout}, history.Info, history.Int(3)},
		"set":                 {"set", "read", history.Value{}, answer(kv.Response{Code: kv.OK, Keys: []string{"set//10", "set//9"}}), history.OK, history.Ints(9, 10)},
		"set, empty":          {"set", "read", history.Value{}, answer(kv.Response{Code: kv.OK}), history.OK, history.Ints()},
		"set unknown":         {"set", "read", history.Value{}, answer(kv.Response{Code: kv.Unknown}), history.Fail, history.Value{}},
		"register, nonsense":  {"register", "drop", history.Value{}, answer(kv.Response{}), history.Fail, history.Value{}},
		"set, nonsense":       {"set", "drop", history.Value{}, answer(kv.Response{}), history.Fail, history.Value{}},
		"write, unknown code": {"register", "write", history.Int(3), answer(kv.Response{Code: 99}), history.Info, history.Int(3)},
	} {
		done := newClient(t, c.workload).Invoke(c.env, history.Op{Process: 4, F: c.f, Value: c.arg})
		if done.Type != c.want || !done.Value.Equal(c.value) || (done.Type != history.OK) != (done.Error != "") {
			t.Errorf("%s: ended as %v with %v (%q), want %v with %v", name, done.Type, done.Value, done.Error, c.want, c.value)
		}
	}
}

// TestNamesOfRequests: no two requests of a run have one name, even if a
// process goes on with a new client.
func TestNamesOfRequests(t *testing.T) {
	t.Parallel()
	env := answer(kv.Response{Code: kv.OK})
	index := 0
	for range 2 {
		c := newClient(t, "register")
		for range 3 {
			c.Invoke(env, history.Op{Index: index, Process: 4, F: "write", Value: history.Int(1)})
			index += 7
		}
	}
	for i, r := range env.got {
		if r.Client != 5 || i > 0 && r.Seq <= env.got[i-1].Seq {
			t.Errorf("request %d is client %d's number %d", i, r.Client, r.Seq)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  map[string]string
		bugs []string
		ok   bool
	}{
		{nil, nil, true},
		{nil, []string{"CP1", "CP4"}, true},
		{nil, []string{"AP1"}, false},
		{map[string]string{"snapshot-every": "5"}, nil, false},
		{map[string]string{"snapshot-every": "many"}, nil, false},
		{map[string]string{"sessions": "0"}, nil, false},
		{map[string]string{"mode": "ap"}, []string{"AP1"}, true},
		{map[string]string{"mode": "ap"}, []string{"CP1"}, false},
		{map[string]string{"mode": "ap", "r": "1", "w": "1"}, nil, true},
		{map[string]string{"mode": "ap", "r": "4"}, nil, false},
		{map[string]string{"mode": "ap", "w": "4"}, nil, false},
		{map[string]string{"mode": "ap", "n": "0"}, nil, false},
		{map[string]string{"mode": "ap", "conflict": "lww"}, nil, true},
		{map[string]string{"mode": "ap", "conflict": "lww"}, []string{"AP1"}, false},
		{map[string]string{"mode": "ap", "quorum": "strict"}, []string{"AP2"}, true},
		{map[string]string{"mode": "ap", "quorum": "strict", "r": "1"}, []string{"AP2"}, false},
		{map[string]string{"mode": "ap"}, []string{"AP2"}, false},
	} {
		s, err := targets.Fill(store.New(), c.set)
		if err != nil {
			t.Fatal(err)
		}
		if boot, err := store.New().Boot(s, c.bugs); (err == nil) != c.ok || err == nil && boot == nil {
			t.Errorf("%v %v: %v", c.set, c.bugs, err)
		}
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set   map[string]string
		level string
		cas   bool
	}{
		{nil, "linearizable", true},
		{map[string]string{"mode": "ap"}, "causal-writes", false},
		{map[string]string{"mode": "ap", "conflict": "lww", "r": "3"}, "eventual", false},
		{map[string]string{"mode": "ap", "quorum": "strict"}, "causal-convergent", false},
		{map[string]string{"mode": "ap", "quorum": "strict", "r": "1"}, "causal-writes", false},
		{map[string]string{"mode": "ap", "quorum": "strict", "conflict": "lww"}, "eventual", false},
	} {
		s, err := targets.Fill(store.New(), c.set)
		if err != nil {
			t.Fatal(err)
		}
		if p := store.New().Promise(s); p.Level != c.level || p.Doc == "" {
			t.Errorf("%v: %+v", c.set, p)
		}
		if store.New().Supports(s, "cas") != c.cas || !store.New().Supports(s, "read") || store.New().Supports(s, "drop") {
			t.Errorf("%v: supports", c.set)
		}
	}
}
