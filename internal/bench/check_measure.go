package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// measureChecks judges histories in processes of their own: in memory, and from
// the file to the verdict by the program itself.
func measureChecks(bin string) ([]figure, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ordeal-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var figures []figure
	for i := range judgedHistories {
		lines, err := measureJudged(bin, dir, i)
		if err != nil {
			return nil, err
		}
		figures = append(figures, lines...)
	}
	lines, err := measureReading(dir)
	if err != nil {
		return nil, err
	}
	figures = append(figures, lines...)
	lines, err = measurePorcupine()
	return append(figures, lines...), err
}

func measureJudged(bin, dir string, n int) ([]figure, error) {
	j := judgedHistories[n]
	path := filepath.Join(dir, "history.jsonl")
	defer os.Remove(path)
	alone, _, err := runChild("alone", strconv.Itoa(n), path)
	if err != nil {
		return nil, err
	}
	size, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	figures := []figure{{what: j.what, value: megabytes(size.Size()), unit: "MB as JSON lines"}}
	for i, c := range j.checks {
		whole, memory, err := fileToVerdict(bin, path, n, i)
		if err != nil {
			return nil, err
		}
		name := "  "
		if c.what != "" {
			name += c.what + ", "
		}
		figures = append(figures,
			alone[i].figure(name+"check alone", c.goal),
			whole.figure(name+"file to verdict", ""),
			figure{name + "file to verdict, peak memory", megabytes(memory), "MB", ""})
	}
	return figures, nil
}

// fileToVerdict has the program judge a file, or this one if the program has no
// name for the check.
func fileToVerdict(bin, path string, n, i int) (t took, memory int64, err error) {
	c := judgedHistories[n].checks[i]
	if c.args == "" {
		list, memory, err := runChild("file", strconv.Itoa(n), strconv.Itoa(i), path)
		if err != nil {
			return t, 0, err
		}
		return list[0], memory, nil
	}
	cmd := exec.Command(bin, append(append([]string{"check"}, strings.Fields(c.args)...), path)...)
	start := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		return t, 0, fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return took{time.Since(start).Seconds(), cpu.Seconds()}, peakMemory(cmd.ProcessState), nil
}

// runChild starts this program anew to measure one thing, and returns what it took
// and the most memory that the process had.
func runChild(args ...string) (list []took, memory int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(self, append([]string{childMode}, args...)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return list, peakMemory(cmd.ProcessState), json.Unmarshal(text, &list)
}

// measureReading reads a history of transactions that append to lists, and one of
// operations on a register, in each format.
func measureReading(dir string) ([]figure, error) {
	var figures []figure
	rng := rand.New(rand.NewPCG(3, 4))
	lists := play(rng, million/10, 20, 0, newDatabase(rng, "list-append"))
	values := play(rng, million/2, 50, 0, newRegister(rng, 50))
	for _, format := range []struct{ name, file string }{{"JSON lines", "history.jsonl"}, {"EDN", "history.edn"}} {
		path := filepath.Join(dir, format.file)
		if err := writeHistory(path, lists); err != nil {
			return nil, err
		}
		fast, err := speed(path, "reading "+format.name+", transactions with lists")
		if err != nil {
			return nil, err
		}
		if err := writeHistory(path, values); err != nil {
			return nil, err
		}
		slow, err := speed(path, "reading "+format.name+", operations on a register")
		if err != nil {
			return nil, err
		}
		figures = append(figures, fast, slow)
	}
	return figures, nil
}

// speed reads a file and says how many megabytes it reads in a second.
func speed(path, what string) (figure, error) {
	size, err := os.Stat(path)
	if err != nil {
		return figure{}, err
	}
	list, _, err := runChild("read", path)
	if err != nil {
		return figure{}, err
	}
	mb := float64(size.Size()) / 1e6
	note := fmt.Sprintf("%.0f MB in %.2f s on the processor", mb, list[0].CPU)
	return figure{what, strconv.FormatFloat(mb/list[0].Wall, 'f', 0, 64), "MB/s", note}, nil
}

// figure is the line for a time.
func (t took) figure(what, goal string) figure {
	note := fmt.Sprintf("%.2f s on the processor", t.CPU)
	if goal != "" {
		note = goal + "; " + note
	}
	return figure{what, strconv.FormatFloat(t.Wall, 'f', 2, 64), "s", note}
}

func megabytes(bytes int64) string { return strconv.FormatInt((bytes+500_000)/1_000_000, 10) }
