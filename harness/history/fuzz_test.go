package history

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Whatever a line is, it is an operation that prints and parses as itself, or
// an error.
func FuzzParseJSON(f *testing.F) {
	for _, op := range append(register(2), transactions(1)...) {
		f.Add(AppendJSON(nil, &op))
	}
	f.Add([]byte(`{"type":"fail","f":null,"value":{"a":[1.5,-0,1e999,"\ud83d\ude00\u0000"]},"error":["x",1],"final":true}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		op, err := ParseJSON(line)
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("not JSON, but read as %s", AppendJSON(nil, &op))
		}
		printed := AppendJSON(nil, &op)
		again, err := ParseJSON(printed)
		if err != nil || !sameOp(op, again) {
			t.Fatalf("%q\nis printed as %s\nwhich is read as %s (%v)", line, printed, AppendJSON(nil, &again), err)
		}
	})
}

// Whatever a form of EDN is, it prints and parses as itself.
func FuzzEDN(f *testing.F) {
	for _, s := range []string{`[1 2.5 -3N 1/2 4M :a/b "x\n" \a nil true]`, `#{1 #:a{:b 1} #foo/bar [1]}`, `#_x (1, 2) ; c`,
		`#jepsen.independent.Tuple[1 [2 3]]`, `##NaN`, `#"re\"x"`, `\u00e9`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := parseEDN(text)
		if err != nil {
			return
		}
		printed := v.AppendEDN(nil)
		again, err := parseEDN(printed)
		if err != nil || !again.Equal(v) {
			t.Fatalf("%q\nis printed as %q\nwhich is read as %v (%v)", text, printed, again, err)
		}
	})
}

// Whatever a file is, what is read from it can be written and read again.
func FuzzRead(f *testing.F) {
	ops := register(3)
	for _, text := range notations(ops) {
		for _, file := range packings(f, text) {
			f.Add(file)
		}
	}
	f.Add(written(f, ops, 2))
	f.Add([]byte("#_"))
	f.Add([]byte("#_ ;"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := Read(bytes.NewReader(file))
		if err != nil {
			if h != nil {
				t.Fatal("a history beside an error")
			}
			return
		}
		if h.Torn != nil && (h.Torn.Offset < 0 || h.Torn.Offset > int64(len(file))) {
			t.Fatalf("torn at %d of %d", h.Torn.Offset, len(file))
		}
		printed := lines(h.Ops, AppendJSON)
		again, err := Read(bytes.NewReader([]byte(printed)))
		if err != nil || again.Torn != nil || lines(again.Ops, AppendJSON) != printed {
			t.Fatalf("%q\nis printed as %s\nwhich is not read: %v", file, printed, err)
		}
		if _, err := h.Calls(); err == nil {
			h.Windows()
		}
	})
}
