package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   Op
		want string
	}{
		{Op{Index: 0, Time: 12345, Process: 3, Type: Invoke, F: "write", Key: String("k1"), Value: Int(7), Node: "n2"},
			`{"index":0,"time":12345,"process":3,"type":"invoke","f":"write","key":"k1","value":7,"node":"n2"}`},
		{Op{Index: 9, Process: Nemesis, Type: Info, F: "fault", Value: Map(Keyword("kind"), String("kill"), Int(4), Nil)},
			`{"index":9,"time":0,"process":"nemesis","type":"info","f":"fault","value":{"kind":"kill","4":null}}`},
		{Op{Process: NoProcess, Type: Fail, F: "read", Value: Nil, Error: "not-found: \"x\"\n", Final: true},
			`{"index":0,"time":0,"type":"fail","f":"read","value":null,"error":"not-found: \"x\"\n","final":true}`},
		{Op{Type: OK, Value: List(Float(1), Float(0.5), Float(1e300), Float(math.NaN()), Float(math.Inf(-1)), Bool(true), Value{})},
			`{"index":0,"time":0,"process":0,"type":"ok","value":[1.0,0.5,1e+300,"NaN","-Infinity",true,null]}`},
		{Op{Type: OK, Value: List(Set(Int(2), Int(1)), Tuple(Int(1), Nil), Keyword("x"), Tagged("1/2"), Tagged("18446744073709551616"))},
			`{"index":0,"time":0,"process":0,"type":"ok","value":[[2,1],[1,null],"x","1/2",18446744073709551616]}`},
		{Op{Type: OK, Value: String("a\x00\x1f\\ \u00e9\U0001F600<\xff>")},
			`{"index":0,"time":0,"process":0,"type":"ok","value":"a\u0000\u001f\\ é😀<` + "\ufffd" + `>"}`},
	} {
		if got := string(AppendJSON(nil, &c.op)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// What JSON has a kind for comes back as it was.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op := drawOp(true).Draw(t, "op")
		line := AppendJSON(nil, &op)
		got, err := ParseJSON(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !sameOp(got, op) {
			t.Fatalf("%s\ncomes back as\n%s", line, AppendJSON(nil, &got))
		}
	})
}

// What JSON has no kind for is still written as JSON that others can read, and
// is stable: printing what was read gives the same text.
func TestJSONIsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op := drawOp(false).Draw(t, "op")
		line := AppendJSON(nil, &op)
		if !json.Valid(line) {
			t.Fatalf("not JSON: %s", line)
		}
		got, err := ParseJSON(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if again := AppendJSON(nil, &got); string(again) != string(line) {
			t.Fatalf("%s\nis printed again as\n%s", line, again)
		}
	})
}

// Our strings are those of the standard library.
func TestJSONStrings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		op, err := ParseJSON([]byte(`{"type":"ok","value":` + string(std) + `}`))
		if err != nil {
			t.Fatalf("%s: %v", std, err)
		}
		var want string
		if err := json.Unmarshal(appendString(nil, s), &want); err != nil {
			t.Fatal(err)
		}
		if op.Value.Text() != want {
			t.Fatalf("%q: we read theirs as %q, they read ours as %q", s, op.Value.Text(), want)
		}
	})
}

func TestJSONIntegers(t *testing.T) {
	t.Parallel()
	for _, n := range edgeInts {
		op, err := ParseJSON(fmt.Appendf(nil, `{"type":"ok","time":%d,"value":[%d]}`, n, n))
		if got, ok := op.Value.Elems()[0].Int(); err != nil || !ok || got != n || op.Time != n {
			t.Errorf("%d comes back as %v, %v (%v)", n, op.Value, op.Time, err)
		}
	}
	for text, want := range map[string]Value{
		"9223372036854775808": Tagged("9223372036854775808"), "-9223372036854775809": Tagged("-9223372036854775809"),
		"7.0": Float(7), "1e3": Float(1000), "-0": Int(0), "-0.0": Float(0), "1E400": Tagged("1E400"),
	} {
		op, err := ParseJSON([]byte(`{"type":"ok","value":` + text + `}`))
		if err != nil || !op.Value.Equal(want) {
			t.Errorf("%s is %v (%v), want %v", text, op.Value, err, want)
		}
	}
}

func TestParseJSONFields(t *testing.T) {
	t.Parallel()
	op, err := ParseJSON([]byte(` {"op-index":[1,{"a":"b"}], "final":true,"error":["not-held","by 3",7],"type":"fail" ,"f":null,"process":null,"key":null,"value":"\ud83d\ude00\u00e9\/\ud800x"} `))
	want := Op{Type: Fail, Process: NoProcess, Error: "not-held: by 3 7", Final: true, Key: Nil, Value: String("😀é/\ufffdx")}
	if err != nil || !sameOp(op, want) {
		t.Errorf("got %s (%v)", AppendJSON(nil, &op), err)
	}
}

func TestParseJSONErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                                   "ends in the middle",
		`{"type":"ok"`:                                       "ends in the middle",
		`{"type":"ok","value":1`:                             "ends in the middle",
		`{"type":"ok"} x`:                                    `the end of the line expected, but there is 'x'`,
		`{"type":"ok",}`:                                     `a string expected, but there is '}'`,
		`{"type":"ok" "f":1}`:                                `"," or "}" expected`,
		`{"type":"ok","value":01}`:                           `"01" is not a number`,
		`{"type":"ok","value":1.}`:                           `"1." is not a number`,
		`{"type":"ok","value":-}`:                            `"-" is not a number`,
		`{"type":"ok","value":+1}`:                           `a value expected`,
		`{"type":"ok","value":nul}`:                          `null is misspelt`,
		"{\"type\":\"ok\",\"f\":\"a\nb\"}":                   `a control character in a string`,
		`{"type":"ok","value":"\x"}`:                         `unknown escape \x`,
		`{"type":"ok","value":"\u12g4"}`:                     `four hexadecimal digits`,
		"{\"value\":\"\\u00\x10\x110\"}":                     `four hexadecimal digits`,
		`{"type":"ok","value":[1 2]}`:                        `"," or "]" expected`,
		`{"process":1}`:                                      `without a type`,
		`{"type":"done"}`:                                    `type "done" is not one of`,
		`{"type":"ok","process":-1}`:                         `process -1 is neither`,
		`{"type":"ok","process":2147483648}`:                 `process 2147483648 is neither`,
		`{"type":"ok","process":"p1"}`:                       `process "p1" is neither`,
		`{"type":"ok","time":1.5}`:                           `time 1.5 is not a 64-bit integer`,
		`{"type":"ok","index":18446744073709551616}`:         `index 18446744073709551616 is not a 64-bit integer`,
		`{"type":"ok","value":` + strings.Repeat("[", 10000): `nest deeper than 500`,
	} {
		if op, err := ParseJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want %q (got %s)", text, err, want, AppendJSON(nil, &op))
		}
	}
}
