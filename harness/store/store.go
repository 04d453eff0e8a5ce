// Package store keeps runs on disk.
//
// Each run has a directory of its own:
//
//	runs/20260102T150405-store-register-s7-1f3a/
//	    plan.json            all that the run depends on, written before it starts
//	    history.jsonl.zst    what happened, appended as it happens
//	    choices.jsonl.zst    what generators and faults decided on the way
//	    trace                a hash of every delivery, where the world is exact
//	    nodes/n1.log …       what the nodes logged
//	    result.json          the verdict
//	    report.html          the verdict, for people
//
// The files are the truth. Nothing is ever changed once it is written, but for
// result.json and report.html, which a later check may replace.
package store

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/plan"
)

// Names of the files of a run.
const (
	PlanFile    = "plan.json"
	HistoryFile = "history.jsonl.zst"
	ChoicesFile = "choices.jsonl.zst"
	TraceFile   = "trace"
	NodesDir    = "nodes"
	ResultFile  = "result.json"
	ReportFile  = "report.html"
)

// Run is the directory of a run.
type Run struct{ Dir string }

// Usable says what is wrong with root as the folder for runs. One that is not
// there yet is made when the first run is created.
func Usable(root string) error {
	if root == "" {
		return errors.New("--out is empty: name a directory for the runs")
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file; name a directory for the runs with --out", root)
	}
	return nil
}

// Create makes the directory of a new run below root and writes its plan.
// now only serves to name it.
func Create(root string, p *plan.Plan, now time.Time) (*Run, error) {
	if err := Usable(root); err != nil {
		return nil, err
	}
	var salt [2]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%s-%s-%s-s%d-%s", now.UTC().Format("20060102T150405"), p.Target, p.Workload, p.Seed, hex.EncodeToString(salt[:]))
	dir := filepath.Join(root, id)
	if err := os.MkdirAll(filepath.Join(dir, NodesDir), 0o755); err != nil {
		return nil, fmt.Errorf("no directory for the run can be made below %s: %w; name another with --out", root, err)
	}
	r := &Run{Dir: dir}
	text, err := p.JSON()
	if err != nil {
		return nil, err
	}
	if err := r.WriteFile(PlanFile, text); err != nil {
		return nil, err
	}
	pointAt(root, id)
	return r, nil
}

// pointAt has the link "latest" lead to the newest run. It is a convenience:
// where links do not work, there is none.
func pointAt(root, id string) {
	link := filepath.Join(root, "latest")
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return // somebody's own file
	}
	_ = os.Remove(link)
	_ = os.Symlink(id, link)
}

// Open opens the directory of an earlier run.
func Open(dir string) (*Run, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no run at %s; runs are directories that `ordeal run` made, below --out (default runs)", dir)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file, not the directory of a run; to judge a history by itself use `ordeal check %s`", dir, dir)
	}
	r := &Run{Dir: dir}
	if _, err := os.Stat(r.Path(PlanFile)); err != nil {
		return nil, fmt.Errorf("%s is not the directory of a run: it has no %s", dir, PlanFile)
	}
	return r, nil
}

// ID is the name of the run.
func (r *Run) ID() string {
	abs, err := filepath.EvalSymlinks(r.Dir)
	if err != nil {
		abs = r.Dir
	}
	return filepath.Base(abs)
}

// Path returns the path of a file of the run.
func (r *Run) Path(name string) string { return filepath.Join(r.Dir, name) }

// Plan reads the plan of the run.
func (r *Run) Plan() (*plan.Plan, error) { return plan.Read(r.Path(PlanFile)) }

// WriteFile writes a file of the run in one step: after a crash it is there as
// a whole or not at all.
func (r *Run) WriteFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(r.Dir, "."+name+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), r.Path(name))
}

// WriteJSON writes v as a file of the run.
func (r *Run) WriteJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return r.WriteFile(name, append(b, '\n'))
}

// WriteNodeLog writes what a node logged.
func (r *Run) WriteNodeLog(node string, lines []string) error {
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	return os.WriteFile(filepath.Join(r.Dir, NodesDir, node+".log"), []byte(text), 0o644)
}

// ReadJSON reads a file of the run that WriteJSON wrote.
func (r *Run) ReadJSON(name string, v any) error {
	b, err := os.ReadFile(r.Path(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", r.Path(name), err)
	}
	return nil
}
