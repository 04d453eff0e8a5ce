// Package plan holds everything that a run depends on.
//
// A [Plan] is written down before anything starts, and a run is a function of
// its plan: in the simulator, the same plan gives the same bytes. It names
// things and never mechanisms; what the names mean is up to a registry.
package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Plan describes one run.
type Plan struct {
	// Version of the tool that made the plan. Another version may do something
	// else with it.
	Version string `json:"version"`

	Target   string            `json:"target"`
	Settings map[string]string `json:"settings"` // of the target, complete
	Bugs     []string          `json:"bugs,omitempty"`

	World   string `json:"world"`
	Nodes   int    `json:"nodes"`
	Clients int    `json:"clients"`

	Workload string            `json:"workload"`
	Options  map[string]string `json:"options"` // of the workload, complete
	// Consistency is the level that the history is judged by: one of the
	// workload's levels, or "promised".
	Consistency string `json:"consistency"`

	Faults []Fault `json:"faults,omitempty"`

	Rate      int64    `json:"rate"` // offered operations per second over all clients
	Time      Duration `json:"time"` // the length of the phase with load and faults
	OpTimeout Duration `json:"op-timeout"`
	Seed      uint64   `json:"seed"`

	// Floors are what a run must reach to be worth anything.
	Floors Floors `json:"floors"`
}

// Fault is a kind of fault and its parameters, as far as they were given.
type Fault struct {
	Kind   string            `json:"kind"`
	Params map[string]string `json:"params,omitempty"`
}

// Floors are the least that an ok has to be earned with.
type Floors struct {
	Completed  float64 `json:"completed"`    // share of the offered operations that must complete, and of those of the final phase that must be ok
	OKEachKind int     `json:"ok-each-kind"` // ok operations of each kind
	OKInWindow int     `json:"ok-in-window"` // ok operations inside a confirmed window of each fault
}

// DefaultFloors returns the floors of a plan that says nothing about them.
func DefaultFloors() Floors { return Floors{Completed: 0.5, OKEachKind: 20, OKInWindow: 5} }

// Duration is a length of time that JSON writes as text: "1m30s".
type Duration time.Duration

// String returns d like time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d as text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Validate says what is wrong with the plan itself, whatever the names in it mean.
func (p *Plan) Validate() error {
	switch {
	case p.Nodes < 1:
		return fmt.Errorf("nodes=%d: a cluster has at least one node", p.Nodes)
	case p.Nodes > 99:
		return fmt.Errorf("nodes=%d: at most 99 nodes", p.Nodes)
	case p.Clients < 1:
		return fmt.Errorf("clients=%d: somebody has to do something; take at least one client", p.Clients)
	case p.Clients > 100_000:
		return fmt.Errorf("clients=%d: at most 100000 clients", p.Clients)
	case p.Rate < 1:
		return fmt.Errorf("rate=%d: offer at least one operation per second", p.Rate)
	case p.Rate > 10_000_000:
		return fmt.Errorf("rate=%d: at most 10000000 operations per second", p.Rate)
	case p.Time <= 0:
		return fmt.Errorf("time=%v: the run must take some time", p.Time)
	case p.Time > Duration(10_000*time.Hour):
		return fmt.Errorf("time=%v: at most 10000h", p.Time)
	case p.OpTimeout <= 0:
		return fmt.Errorf("op-timeout=%v: an operation needs some time", p.OpTimeout)
	case p.OpTimeout > Duration(time.Hour):
		return fmt.Errorf("op-timeout=%v: at most 1h", p.OpTimeout)
	case p.Floors.Completed < 0 || p.Floors.Completed > 1:
		return fmt.Errorf("floors.completed=%v: a share is between 0 and 1", p.Floors.Completed)
	}
	kinds := make([]string, len(p.Faults))
	for i, f := range p.Faults {
		kinds[i] = f.Kind
		if slices.Contains(kinds[:i], f.Kind) {
			return fmt.Errorf("fault %s stands twice in the plan", f.Kind)
		}
	}
	return nil
}

// JSON returns the plan as it is written to disk.
func (p *Plan) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	return append(b, '\n'), err
}

// Read reads a plan from a file. Fields that no plan has are an error: a
// misspelt one would silently change what is run.
func Read(path string) (*Plan, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no plan at %s: name a file like the plan.json of a run", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	p := &Plan{Floors: DefaultFloors()}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("%s is not a plan: %w", path, readable(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is not a plan: there is more in it after the end of the plan", path)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// readable says what is wrong with JSON in words of those who write it.
func readable(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("it ends in the middle")
	case errors.As(err, &wrong) && wrong.Type == reflect.TypeFor[Duration]():
		return fmt.Errorf("%s is a %s: want a text like \"500ms\" or \"1m\"", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("%s is a %s: want a value of type %v", wrong.Field, wrong.Value, wrong.Type)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}
