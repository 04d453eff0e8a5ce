package transactions

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// TestLevels compares what levels forbid with the tables that the checker uses.
func TestLevels(t *testing.T) {
	t.Parallel()
	anomalies := strings.Fields(levelA + lostUp)
	for _, class := range []string{"G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item"} {
		anomalies = append(anomalies, class, class+"-process", class+"-realtime")
	}
	for _, model := range levels.Names() {
		forbidden, err := levels.Forbidden([]string{model}, nil)
		if err != nil {
			t.Fatal(err)
		}
		level, ok := levelOf[model]
		if !ok {
			t.Errorf("%s is not known", model)
		}
		for _, a := range anomalies {
			if level.forbids(a) != forbidden[a] {
				t.Errorf("%s forbids %s: %v, want %v", model, a, level.forbids(a), forbidden[a])
			}
		}
		process, realtime := levels.Orders(model)
		want := int8(byData)
		switch {
		case realtime:
			want = rtime
		case process:
			want = byProcess
		}
		if level.keeps != want {
			t.Errorf("%s keeps %d, want %d", model, level.keeps, want)
		}
	}
	for _, a := range append(anomalies, "G1", "G2", "G-single") {
		forbidden, err := levels.Forbidden(nil, []string{a})
		if err != nil {
			t.Fatal(err)
		}
		level, err := levelWithout(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range anomalies {
			if level.forbids(b) && !forbidden[b] {
				t.Errorf("without %s there may be a %s", a, b)
			}
		}
		if !strings.HasPrefix(a, "G1") && !strings.HasPrefix(a, "G2") && a != "G-single" && !level.forbids(a) {
			t.Errorf("%s does not forbid itself", a)
		}
	}
}

// txnCases are claims that hold, each with changes that make it wrong.
var txnCases = []struct {
	name, history string
	parameters    map[string]string
	verdict       string
	evidence      string
	wrong         []string
}{
	{
		"serial", `0 invoke [["append","x",1]]; 1 invoke [["r","x",null]]; 0 ok [["append","x",1]]; 1 ok [["r","x",[]]]`,
		map[string]string{"workload": "list-append", "consistency-models": "strong-serializable"}, "ok",
		`{"serial":[1,0]}`, []string{`{"serial":[0,1]}`, `{"serial":[1]}`, `{"serial":[1,0,0]}`, `{"serial":[1,0,2]}`, `{"order":[1,0]}`, `{}`, `{"serial":[1,0],"order":[1,0]}`, `{"serial":["1"]}`},
	},
	{
		"real time", `0 invoke [["r","x",null]]; 0 ok [["r","x",null]]; 1 invoke [["w","x",1]]; 1 ok [["w","x",1]]; 0 invoke [["r","y",null]]; 0 ok [["r","y",null]]`,
		map[string]string{"workload": "rw-register", "consistency-models": "strong-serializable"}, "ok",
		`{"serial":[0,2,4]}`, []string{`{"serial":[4,0,2]}`, `{"serial":[0,4,2]}`},
	},
	{
		"write skew", `0 invoke [["r","x",null],["w","y",1]]; 1 invoke [["r","y",null],["w","x",1]]; 0 ok [["r","x",null],["w","y",1]]; 1 ok [["r","y",null],["w","x",1]]`,
		map[string]string{"workload": "rw-register", "consistency-models": "snapshot-isolation"}, "ok",
		`{"snapshot":[0,1,1,0]}`, []string{`{"snapshot":[0,0,1,1]}`, `{"snapshot":[0,1,1]}`, `{"snapshot":[0,1,1,0,0]}`, `{"serial":[0,1]}`, `{"serial":[1,0]}`},
	},
	{
		"first committer wins", `0 invoke [["r","x",null],["w","x",1]]; 1 invoke [["r","x",null],["w","x",2]]; 0 ok [["r","x",null],["w","x",1]]; 1 ok [["r","x",1],["w","x",2]]`,
		map[string]string{"workload": "rw-register", "consistency-models": "snapshot-isolation"}, "ok",
		`{"snapshot":[0,0,1,1]}`, []string{`{"snapshot":[0,1,0,1]}`, `{"snapshot":[1,0,0,1]}`},
	},
	{
		"dependencies", `0 invoke [["append","x",1],["append","y",1]]; 1 invoke [["r","x",null],["r","y",null]]; 0 ok [["append","x",1],["append","y",1]]; 1 ok [["r","x",[1]],["r","y",[]]]`,
		map[string]string{"workload": "list-append", "consistency-models": "read-committed"}, "ok",
		`{"order":[0,1]}`, []string{`{"order":[1,0]}`, `{"serial":[0,1]}`, `{"order":[0]}`},
	},
	{
		"read skew", `0 invoke [["append","x",1],["append","y",1]]; 1 invoke [["r","x",null],["r","y",null]]; 0 ok [["append","x",1],["append","y",1]]; 1 ok [["r","x",[1]],["r","y",[]]]`,
		map[string]string{"workload": "list-append", "consistency-models": "consistent-view"}, "invalid",
		`{"anomaly":"G-single-item","cycle":[{"kind":"wr","from":0,"to":1,"steps":[0,0]},{"kind":"rw","from":1,"to":0,"steps":[1,1]}]}`,
		[]string{
			`{"anomaly":"G2-item","cycle":[{"kind":"wr","from":0,"to":1,"steps":[0,0]},{"kind":"rw","from":1,"to":0,"steps":[1,1]}]}`,
			`{"anomaly":"G-single-item","cycle":[{"kind":"wr","from":0,"to":1,"steps":[1,1]},{"kind":"rw","from":1,"to":0,"steps":[1,1]}]}`,
			`{"anomaly":"G-single-item","cycle":[{"kind":"wr","from":0,"to":1,"steps":[0,0]},{"kind":"rw","from":1,"to":0,"steps":[0,0]}]}`,
			`{"anomaly":"G-single-item","cycle":[{"kind":"wr","from":0,"to":1,"steps":[0,0]},{"kind":"rw","from":1,"to":0,"steps":[1,0]}]}`,
			`{"anomaly":"G-single-item","cycle":[{"kind":"rw","from":1,"to":0,"steps":[1,1]}]}`,
			`{"anomaly":"G-single-item-realtime","cycle":[{"kind":"rt","from":0,"to":1},{"kind":"rw","from":1,"to":0,"steps":[1,1]}]}`,
		},
	},
	{
		"version orders that are assumed", `0 invoke [["w","x",1]]; 0 ok [["w","x",1]]; 1 invoke [["w","x",2]]; 1 ok [["w","x",2]]; 0 invoke [["r","x",null]]; 0 ok [["r","x",1]]`,
		map[string]string{"workload": "rw-register", "consistency-models": "read-uncommitted", "linearizable-keys": "true"}, "invalid",
		`{"anomaly":"cyclic-versions","cycle":[{"kind":"version","from":0,"to":2,"steps":[0,0],"via":[0,2]},{"kind":"version","from":2,"to":4,"steps":[0,0],"via":[2,4]}]}`,
		[]string{
			`{"anomaly":"cyclic-versions","cycle":[{"kind":"version","from":0,"to":2,"steps":[0,0],"via":[0,2]},{"kind":"version","from":2,"to":4,"steps":[0,0],"via":[4,2]}]}`,
			`{"anomaly":"cyclic-versions","cycle":[{"kind":"version","from":0,"to":2,"steps":[0,0],"via":[0,2]},{"kind":"version","from":2,"to":4,"steps":[0,0]}]}`,
			`{"anomaly":"cyclic-versions","cycle":[{"kind":"version","from":0,"to":2,"steps":[0,0],"via":[0,2]}]}`,
			`{"anomaly":"cyclic-versions","cycle":[{"kind":"version","from":-1,"to":2,"steps":[0,0]},{"kind":"version","from":2,"to":4,"steps":[0,0],"via":[2,4]}]}`,
		},
	},
}

// lines writes a history of records such as "0 ok [...]".
func lines(t *testing.T, text string) *history.History {
	t.Helper()
	var b strings.Builder
	for _, line := range strings.Split(text, "; ") {
		f := strings.SplitN(line, " ", 3)
		b.WriteString(`{"process":` + f[0] + `,"type":"` + f[1] + `","f":"txn","value":` + f[2] + "}\n")
	}
	h, err := history.Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTransactions confirms claims that hold and refuses them when they are
// changed.
func TestTransactions(t *testing.T) {
	t.Parallel()
	for _, c := range txnCases {
		h := lines(t, c.history)
		raw := func(parameters map[string]string, verdict, evidence string) []byte {
			text, err := json.Marshal(map[string]any{"definition": "transactions", "parameters": parameters, "verdict": verdict, "evidence": json.RawMessage(evidence)})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		if _, err := Definitions.Confirm(h, raw(c.parameters, c.verdict, c.evidence)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, w := range c.wrong {
			if _, err := Definitions.Confirm(h, raw(c.parameters, c.verdict, w)); err == nil {
				t.Errorf("%s: confirmed %s", c.name, w)
			}
		}
		for _, p := range []map[string]string{{}, {"workload": "queue"}, {"workload": c.parameters["workload"]},
			{"workload": c.parameters["workload"], "consistency-models": "none"}, {"workload": c.parameters["workload"], "anomalies": "none"}} {
			if _, err := Definitions.Confirm(h, raw(p, c.verdict, c.evidence)); err == nil {
				t.Errorf("%s: confirmed for %v", c.name, p)
			}
		}
	}
}
