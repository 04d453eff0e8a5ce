package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// childMode as the first argument makes this program a process that measures one
// thing, so that its memory is that of this thing alone:
//
//	measure alone N FILE   makes history N, writes it to FILE, and judges it in memory
//	measure file N C FILE  reads FILE and judges it by check C of history N
//	measure read FILE      reads FILE
const childMode = "measure"

// took is how many seconds something took, by the clock and on the processor.
type took struct{ Wall, CPU float64 }

// child does what the arguments say and writes what each thing took as JSON.
func child(w io.Writer, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want alone, file or read, and what of")
	}
	var list []took
	var err error
	path := args[len(args)-1]
	switch args[0] {
	case "alone":
		list, err = alone(judgedHistories[number(args[1])], path)
	case "file":
		c := judgedHistories[number(args[1])].checks[number(args[2])]
		list, err = timed(func() error {
			h, err := history.Open(path)
			if err != nil {
				return err
			}
			return judge(c, h)
		})
	case "read":
		list, err = timed(func() error {
			_, err := history.Open(path)
			return err
		})
	default:
		return fmt.Errorf("%q is nothing that can be measured", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(list)
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// alone writes a history to a file, and measures its checks in memory.
func alone(j judged, path string) ([]took, error) {
	h := j.make(rand.New(rand.NewPCG(1, 2)))
	if err := writeHistory(path, h); err != nil {
		return nil, err
	}
	var all []took
	for _, c := range j.checks {
		runtime.GC()
		one, err := timed(func() error { return judge(c, h) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.what, err)
		}
		all = append(all, one...)
	}
	return all, nil
}

func timed(f func() error) ([]took, error) {
	start, cpu := time.Now(), processorSeconds()
	err := f()
	return []took{{time.Since(start).Seconds(), processorSeconds() - cpu}}, err
}

// judge fails unless the history is ok: all of them are.
func judge(c check, h *history.History) error {
	if r := checkers.Run(context.Background(), c.with(), h); r.Verdict != checkers.OK {
		return fmt.Errorf("the verdict is %v %s, want ok: %+v", r.Verdict, r.Reason, r.Anomalies)
	}
	return nil
}

// writeHistory writes a history in the format that the name of the file asks for:
// EDN if it ends like that, JSON lines otherwise.
func writeHistory(path string, h *history.History) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	put := history.AppendJSON
	if filepath.Ext(path) == ".edn" {
		put = history.AppendEDN
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for i := range h.Ops {
		line = append(put(line[:0], &h.Ops[i]), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
