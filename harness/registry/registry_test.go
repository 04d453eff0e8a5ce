package registry_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// A program of one's own adds what it has to what comes with Ordeal.
func ExampleWith() {
	flood := nemesis.Fault{Kind: "flood", Doc: "lets the water in"}
	r := registry.With(flood)
	fmt.Println(strings.Join(r.FaultNames(), " "))
	_, err := r.Fault("flod")
	fmt.Println(err)
	// Output:
	// partition kill pause clock packet power byzantine flood
	// unknown fault "flod": did you mean "flood"?
}

// What cannot be added is a mistake in the program that tries.
func TestWithRefuses(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]any{
		`there are two faults named "kill"`:        nemesis.Kill(),
		`there are two workloads named "set"`:      workloads.Set(),
		`there are two targets named "store"`:      registry.Builtin().Targets[0],
		`there are two worlds named "sim"`:         registry.Builtin().Worlds[0],
		"is no target, workload, fault or world":   42,
		"a <nil> is no target, workload, fault or": nil,
	} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, name) {
					t.Errorf("%v: %s, want %s", part, p, name)
				}
			}()
			registry.With(part)
		}()
	}
}

func base() *plan.Plan {
	return &plan.Plan{
		Target: "store", Workload: "register", World: "sim", Nodes: 5, Clients: 10, Rate: 100,
		Time: plan.Duration(time.Minute), OpTimeout: plan.Duration(time.Second), Floors: plan.DefaultFloors(),
	}
}

// A plan is completed with everything that it depends on, and a complete plan
// stays as it is.
func TestResolveCompletes(t *testing.T) {
	t.Parallel()
	p := base()
	p.Faults = []plan.Fault{{Kind: "kill"}, {Kind: "partition", Params: map[string]string{"shape": "ring"}}}
	test, err := registry.Builtin().Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Settings["mode"] != "cp" || p.Options["keys"] != "100" || p.Consistency != "linearizable" ||
		p.Faults[0].Params["targets"] != "mix" || p.Faults[1].Params["shape"] != "ring" {
		t.Errorf("%+v", p)
	}
	if test.Level != "linearizable" || !slices.Equal(test.Fs, []string{"read", "write", "cas", "delete"}) {
		t.Errorf("level %s, operations %v", test.Level, test.Fs)
	}
	text, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var again plan.Plan
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Builtin().Resolve(&again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, &again); diff != "" {
		t.Errorf("a complete plan is changed: %s", diff)
	}
}

// Promised means what the target promises under its settings, which also say
// what operations there are.
func TestResolvePromised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings map[string]string
		level    string
		cas      bool
	}{
		{map[string]string{"mode": "cp"}, "linearizable", true},
		{map[string]string{"mode": "ap"}, "causal-writes", false},
		{map[string]string{"mode": "ap", "conflict": "lww"}, "eventual", false},
	} {
		p := base()
		p.Settings, p.Consistency = c.settings, "promised"
		test, err := registry.Builtin().Resolve(p)
		if err != nil {
			t.Fatal(err)
		}
		if test.Level != c.level || slices.Contains(test.Fs, "cas") != c.cas || p.Consistency != "promised" {
			t.Errorf("%v: level %s, operations %v", c.settings, test.Level, test.Fs)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*plan.Plan){
		`unknown target "stroe": did you mean "store"?`:        func(p *plan.Plan) { p.Target = "stroe" },
		`unknown workload "zet": did you mean "set"?`:          func(p *plan.Plan) { p.Workload = "zet" },
		`unknown world "sin": did you mean "sim"?`:             func(p *plan.Plan) { p.World = "sin" },
		`unknown fault "xyzzyx": want one of partition, kill,`: func(p *plan.Plan) { p.Faults = []plan.Fault{{Kind: "xyzzyx"}} },
		`unknown setting of store "mod": did you mean "mode"?`: func(p *plan.Plan) { p.Settings = map[string]string{"mod": "cp"} },
		`unknown bug of store "CP99"`:                          func(p *plan.Plan) { p.Bugs = []string{"CP99"} },
		`unknown option of register "k"`:                       func(p *plan.Plan) { p.Options = map[string]string{"k": "1"} },
		`unknown level of workload register "none"`:            func(p *plan.Plan) { p.Consistency = "none" },
		"nodes=0": func(p *plan.Plan) { p.Nodes = 0 },
	} {
		p := base()
		spoil(p)
		if _, err := registry.Builtin().Resolve(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A node that is a process of its own finds what it is by the configuration
// that the runner gives it.
func TestBoot(t *testing.T) {
	t.Parallel()
	r := registry.Builtin()
	p := base()
	test, err := r.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"target": test.Target.Name(), "settings": p.Settings, "bugs": []string{"CP1"}})
	if err != nil {
		t.Fatal(err)
	}
	if boot, err := r.Boot(config); err != nil || boot == nil {
		t.Error(err)
	}
	for _, bad := range []string{``, `{`, `{"target":"x"}`, `{"target":"store","settings":{"mode":"?"}}`} {
		if _, err := r.Boot(json.RawMessage(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// All that is listed has a name of its own and a sentence.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	r := registry.Builtin()
	docs := map[string]string{}
	add := func(kind, name, doc string) {
		key := kind + " " + name
		if _, twice := docs[key]; twice || name == "" || len(doc) < 20 {
			t.Errorf("%s: %q (twice: %v)", key, doc, twice)
		}
		docs[key] = doc
	}
	for _, x := range r.Targets {
		add("target", x.Name(), x.Doc())
		for _, s := range x.Settings() {
			add("setting of "+x.Name(), s.Name, s.Doc)
		}
	}
	for _, x := range r.Workloads {
		add("workload", x.Name, x.Doc)
		for _, o := range x.Options {
			add("option of "+x.Name, o.Name, o.Doc+strings.Repeat(" ", 20))
		}
		if !slices.Contains(x.Levels, x.Level) || len(x.Fs) == 0 {
			t.Errorf("workload %s: levels %v, operations %v", x.Name, x.Levels, x.Fs)
		}
	}
	for _, x := range r.Faults {
		add("fault", x.Kind, x.Doc)
	}
	for _, x := range r.Worlds {
		add("world", x.Name(), x.Doc())
	}
	for _, b := range r.Bugs() {
		add("bug", b.ID, b.Summary)
		if got, err := r.Bug(b.ID); err != nil || got != b {
			t.Errorf("bug %s: %v", b.ID, err)
		}
	}
}
