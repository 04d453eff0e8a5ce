package linearizable

import (
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// sequences are operations that one process after the other does to an object:
// "f argument → answer", with ! in front of the one that must be refused.
var sequences = []struct {
	model  string
	option string
	ops    string
}{
	{"register", "", "read → nil; write 1; read → 1; delete; read → nil; !read → 1"},
	{"register", "", "write 1; !read → nil"},
	{"register", "", "!cas [1 2]"},
	{"register", "initial=5", "read → 5; delete; read → nil; !read → 5"},
	{"register", "nil=any", "write 1; read → nil; read → 1; !read → 2"},
	{"cas-register", "", "write 1; cas [1 2]; read → 2; !cas [1 3]"},
	{"cas-register", "", "cas [nil 2]; read → 2; !read → nil"},
	{"kv", "", "get → \"\"; get → nil; append \"a\"; append \"b\"; get → \"ab\"; put \"\"; get → nil; !get → \"ab\""},
	{"kv", "", "put 1; append \"a\"; get → \"1a\"; !append 1"},
	{"multi-register", "", "txn [[w 1 5] [r 1 5] [read 2 nil]]; txn [[r 1 5] [write 2 6]]; !txn [[r 1 5] [r 2 5]]"},
	{"multi-register", "nil=any", "txn [[w 1 5]]; txn [[r 1 nil]]; !txn [[r 1 6]]"},
	{"mutex", "", "acquire; release; acquire; !acquire"},
	{"mutex", "", "!release"},
	{"mutex", "", "acquire 7; release; acquire; 1 release; !release"},
	{"mutex", "owner=process", "acquire; !1 release"},
	{"semaphore", "permits=3", "acquire; 1 acquire 2; release 3; acquire 3; !acquire"},
	{"semaphore", "permits=3", "!acquire 4"},
	{"semaphore", "permits=3", "acquire 2; !release 0"},
	{"semaphore", "permits=3,owner=process", "acquire 2; 1 acquire; 1 release; !1 release"},
	{"reentrant-mutex", "", "1 acquire; 1 acquire; 1 release; !2 acquire"},
	{"reentrant-mutex", "", "1 acquire; 1 acquire; 1 release; 1 release; 2 acquire; !1 release"},
	{"reentrant-mutex", "", "!1 release"},
	{"reentrant-mutex", "limit=2", "1 acquire; 1 acquire; !1 acquire"},
	{"fifo-queue", "", "dequeue → nil; enqueue 1; enqueue 2; enqueue 1; dequeue → 1; dequeue → 2; dequeue → 1; dequeue → nil; !dequeue → 1"},
	{"fifo-queue", "", "enqueue 1; enqueue 2; !dequeue → 2"},
	{"fifo-queue", "", "enqueue 1; !dequeue → nil"},
	{"unordered-queue", "", "enqueue 1; enqueue 2; enqueue 1; dequeue → 2; dequeue → 1; dequeue → 1; dequeue → nil; !dequeue → 1"},
	{"unordered-queue", "", "enqueue 1; !dequeue → nil"},
	{"set", "", "read → []; add 1; add 2; add 1; read → [2 1]; contains 1 → true; contains 3 → false; remove 1; contains 1 → [1 false]; !read → [1 2]"},
	{"set", "", "add 1; !read → nil"},
	{"set", "", "add 1; !contains 1 → false"},
	{"set", "", "add 1; !contains 1 → 1"},
	{"set", "", "add 1; add 2; !read → [1 1]"},
	{"counter", "", "read → 0; add 5; increment; decrement 2; add -1; read → 3; !read → 4"},
	{"counter", "initial=7", "read → 7; !read → 0"},
	{"counter", "", "!read → \"x\""},
	{"log", "", "read → nil; append 1; append 2; append 1; read → [1 2 1]; !read → [1 2]"},
	{"log", "", "!put 1"},
}

// TestModels has objects used by one process after the other.
func TestModels(t *testing.T) {
	t.Parallel()
	for _, s := range sequences {
		t.Run(s.model+" "+s.ops, func(t *testing.T) {
			t.Parallel()
			p := options{"model": s.model}
			for _, o := range strings.Split(s.option, ",") {
				if k, v, ok := strings.Cut(o, "="); ok {
					p[k] = v
				}
			}
			m, err := models[s.model](p)
			if err != nil {
				t.Fatal(err)
			}
			before := m.state()
			var undos []func()
			for _, text := range strings.Split(s.ops, "; ") {
				text, refused := strings.CutPrefix(text, "!")
				o := operation(t, text)
				undo, err := m.apply(o, p.answer(o))
				if refused != (err != nil) {
					t.Fatalf("%s: %v", text, err)
				}
				if err == nil {
					undos = append(undos, undo)
				}
			}
			for len(undos) > 0 {
				undos[len(undos)-1]()
				undos = undos[:len(undos)-1]
			}
			if after := m.state(); after != before {
				t.Fatalf("was %q, and %q when everything was taken back", before, after)
			}
		})
	}
}

// operation reads "process f argument → answer"; the process may be missing.
func operation(t *testing.T, text string) *claim.Op {
	t.Helper()
	text, answered, _ := strings.Cut(text, " → ")
	process := history.Process(0)
	if text[0] >= '0' && text[0] <= '9' {
		process = history.Process(text[0] - '0')
		text = text[2:]
	}
	f, argument, _ := strings.Cut(text, " ")
	invoke := &history.Op{Process: process, Type: history.Invoke, F: f, Value: value(t, argument)}
	complete := &history.Op{Process: process, Type: history.OK, F: f, Value: value(t, answered)}
	if answered == "" {
		complete.Value = invoke.Value
	}
	return &claim.Op{Call: history.Call{Invoke: invoke, Complete: complete}, Res: 1}
}

// value reads a value of EDN.
func value(t *testing.T, text string) history.Value {
	t.Helper()
	if text == "" {
		return history.Value{}
	}
	h, err := history.Read(strings.NewReader(`{:type :invoke, :process 0, :f :x, :value ` + text + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return h.Ops[0].Value
}

// TestParameters sees parameters refused that mean nothing.
func TestParameters(t *testing.T) {
	t.Parallel()
	for _, p := range []options{
		{"model": "semaphore", "permits": "many"}, {"model": "reentrant-mutex", "limit": "-1"}, {"model": "multi-register", "initial": "1"},
	} {
		if _, err := models[p["model"]](p); err == nil {
			t.Errorf("%v was taken", p)
		}
	}
	for _, p := range []options{{"model": "register", "nil": "all"}, {"model": "mutex", "owner": "me"}, {"model": "mutex", "color": "red"}} {
		if p.check() == nil {
			t.Errorf("%v was taken", p)
		}
	}
}

// TestNames has different values named differently, and equal ones alike.
func TestNames(t *testing.T) {
	t.Parallel()
	values := []string{"nil", "1", "1.0", "\"1\"", ":1", "[1]", "#{1}", "[[1]]", "[1 1]", "[\"1\" 1]", "[\"1 1\"]", "true", "\"true\"", "{1 2}", "[1 2]", "#{1 2}", "[#{1} 2]", "[12]", "[]", "#{}", "{}"}
	for _, a := range values {
		for _, b := range values {
			if claim.Name(value(t, a)) == claim.Name(value(t, b)) != (a == b) {
				t.Errorf("%s and %s: %s %s", a, b, claim.Name(value(t, a)), claim.Name(value(t, b)))
			}
		}
	}
	if claim.Name(value(t, "#{1 2 3}")) != claim.Name(value(t, "#{3 2 1}")) || claim.Name(value(t, "{1 2 3 4}")) != claim.Name(value(t, "{3 4 1 2}")) {
		t.Error("the order of sets and maps makes a difference")
	}
}
