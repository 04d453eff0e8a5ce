// Package script lets tests of checkers write histories down as an engineer
// would sketch them, one call a line:
//
//	10-12  3@n1  write  k1  7
//	11-13  4@n2  read   k1  => 7
//	14-?   3@n1  cas    k1  [7,8]            # never came back
//	15-20  4@n2  write  k1  9  fail:timeout
//	90-91  4@n2  read   k1  => 8  final
//	30     nemesis  died  {"node":"n3","reason":"exit status 2"}
//	40     nemesis  replicas  {}  info:no-recovery
//
// Times are milliseconds. A key may be left out: it is a word that is not JSON.
// Values are JSON without blanks. A call is ok unless it says fail or info,
// with an error after a colon if there is one.
package script

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Parse returns the history that text describes.
func Parse(text string) (*history.History, error) {
	var ops []history.Op
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		records, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", strings.TrimSpace(line), err)
		}
		ops = append(ops, records...)
	}
	slices.SortStableFunc(ops, func(a, b history.Op) int { return cmp.Compare(a.Time, b.Time) })
	for i := range ops {
		ops[i].Index = i
	}
	return &history.History{Ops: ops}, nil
}

func parse(fields []string) ([]history.Op, error) {
	if len(fields) < 3 {
		return nil, fmt.Errorf("want a time, a process and an operation")
	}
	begin, end, call := strings.Cut(fields[0], "-")
	op := history.Op{F: fields[2], Time: millis(begin)}
	if fields[1] == "nemesis" {
		op.Process, op.Type = history.Nemesis, history.Info
		return one(op, fields[3:])
	}
	process, node, _ := strings.Cut(fields[1], "@")
	n, err := strconv.Atoi(process)
	if err != nil || !call {
		return nil, fmt.Errorf("want BEGIN-END PROCESS")
	}
	op.Process, op.Node = history.Process(n), node
	return both(op, end, fields[3:])
}

// one returns a record of the nemesis.
func one(op history.Op, fields []string) ([]history.Op, error) {
	var err error
	if len(fields) > 0 {
		op.Value, err = value(fields[0])
	}
	if len(fields) > 1 {
		_, op.Error, _ = strings.Cut(fields[1], ":")
	}
	return []history.Op{op}, err
}

// both returns the invocation and the completion of a call.
func both(op history.Op, end string, fields []string) ([]history.Op, error) {
	done := op
	done.Type = history.OK
	op.Value, done.Value = history.Nil, history.Nil
	result := false
	for i, f := range fields {
		kind, problem, _ := strings.Cut(f, ":")
		t, isType := history.ParseType(kind)
		switch v, err := value(f); {
		case f == "=>":
			result = true
		case f == "final":
			op.Final, done.Final = true, true
		case isType == nil:
			done.Type, done.Error = t, problem
		case err == nil && result:
			done.Value = v
		case err == nil:
			op.Value, done.Value = v, v
		case i == 0:
			op.Key, done.Key = history.String(f), history.String(f)
		default:
			return nil, err
		}
	}
	done.Time = millis(end)
	if end == "?" {
		return []history.Op{op}, nil
	}
	return []history.Op{op, done}, nil
}

func millis(s string) int64 {
	ms, _ := strconv.ParseFloat(s, 64)
	return int64(ms * 1e6)
}

// value reads JSON as the history package does.
func value(s string) (history.Value, error) {
	h, err := history.Read(strings.NewReader(`{"index":0,"time":0,"process":0,"type":"invoke","f":"x","value":` + s + "}\n"))
	if err != nil || len(h.Ops) != 1 {
		return history.Value{}, fmt.Errorf("%q is not a value: %w", s, err)
	}
	return h.Ops[0].Value, nil
}
