package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/plan"
)

func good() *plan.Plan {
	return &plan.Plan{
		Version: "v1", Target: "store", Settings: map[string]string{"mode": "cp"}, World: "sim",
		Nodes: 5, Clients: 10, Workload: "register", Options: map[string]string{"keys": "10"}, Consistency: "linearizable",
		Faults: []plan.Fault{{Kind: "kill", Params: map[string]string{"targets": "one"}}},
		Rate:   100, Time: plan.Duration(time.Minute), OpTimeout: plan.Duration(time.Second), Seed: 7, Floors: plan.DefaultFloors(),
	}
}

func ExamplePlan_JSON() {
	p := plan.Plan{
		Target: "store", Settings: map[string]string{"mode": "cp"}, World: "sim", Workload: "register",
		Nodes: 5, Clients: 10, Rate: 100, Time: plan.Duration(time.Minute), Seed: 7,
		Faults: []plan.Fault{{Kind: "partition", Params: map[string]string{"shape": "leader"}}},
	}
	text, _ := p.JSON()
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "time") || strings.Contains(line, "shape") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// "shape": "leader"
	// "time": "1m0s",
	// "op-timeout": "0s",
}

// What is written is read back, whatever the seed and the names are.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plan.json")
	rapid.Check(t, func(rt *rapid.T) {
		p := good()
		p.Seed = rapid.Uint64().Draw(rt, "seed")
		p.Time = plan.Duration(rapid.Int64Range(1, int64(10_000*time.Hour)).Draw(rt, "time"))
		p.OpTimeout = plan.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(rt, "op-timeout"))
		p.Settings[rapid.String().Draw(rt, "setting")] = rapid.String().Draw(rt, "value")
		p.Bugs = rapid.SliceOfN(rapid.String(), 1, 3).Draw(rt, "bugs")
		p.Floors.Completed = rapid.Float64Range(0, 1).Draw(rt, "completed")
		text, err := p.JSON()
		if err != nil {
			rt.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			rt.Fatal(err)
		}
		back, err := plan.Read(path)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// A plan that says nothing about floors has the usual ones, and one that says
// something about one of them has the others.
func TestFloors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]plan.Floors{
		``:                                plan.DefaultFloors(),
		`,"floors":{}`:                    plan.DefaultFloors(),
		`,"floors":{"completed":0.9}`:     {Completed: 0.9, OKEachKind: 20, OKInWindow: 5},
		`,"floors":{"ok-each-kind":0}`:    {Completed: 0.5, OKInWindow: 5},
		`,"floors":{"ok-in-window":1000}`: {Completed: 0.5, OKEachKind: 20, OKInWindow: 1000},
	} {
		path := filepath.Join(t.TempDir(), "plan.json")
		body := `{"nodes":1,"clients":1,"rate":1,"time":"1s","op-timeout":"1s"` + text + `}`
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := plan.Read(path); err != nil || p.Floors != want {
			t.Errorf("%s: %+v, %v; want %+v", body, p, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := good().Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*plan.Plan){
		"nodes=0: a cluster has at least one node":        func(p *plan.Plan) { p.Nodes = 0 },
		"nodes=100: at most 99 nodes":                     func(p *plan.Plan) { p.Nodes = 100 },
		"clients=-1: somebody has to do something":        func(p *plan.Plan) { p.Clients = -1 },
		"clients=100001: at most 100000":                  func(p *plan.Plan) { p.Clients = 100_001 },
		"rate=0: offer at least one operation per second": func(p *plan.Plan) { p.Rate = 0 },
		"rate=10000001: at most":                          func(p *plan.Plan) { p.Rate = 10_000_001 },
		"time=-1s: the run must take some time":           func(p *plan.Plan) { p.Time = -plan.Duration(time.Second) },
		"time=10000h0m0.000000001s: at most 10000h":       func(p *plan.Plan) { p.Time = plan.Duration(10_000*time.Hour + 1) },
		"op-timeout=0s: an operation needs some time":     func(p *plan.Plan) { p.OpTimeout = 0 },
		"op-timeout=1h0m0.000000001s: at most 1h":         func(p *plan.Plan) { p.OpTimeout = plan.Duration(time.Hour + 1) },
		"floors.completed=1.5: a share is between":        func(p *plan.Plan) { p.Floors.Completed = 1.5 },
		"fault kill stands twice in the plan":             func(p *plan.Plan) { p.Faults = append(p.Faults, p.Faults[0]) },
	} {
		p := good()
		spoil(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	text, err := good().JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"time":"1s"`)
	f.Add(`[]`)
	path := filepath.Join(f.TempDir(), "plan.json")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := plan.Read(path)
		if err != nil {
			if strings.Contains(err.Error(), "Go struct") || !strings.Contains(err.Error(), path) {
				t.Errorf("%s is answered by %v", text, err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s is accepted: %v", text, err)
		}
	})
}
