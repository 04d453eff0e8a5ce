package actortest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// diskCases are scripts of disk operations and what they must come to. All
// operations of a script are started at once, in one call of the actor.
var diskCases = []struct{ name, script, want string }{
	{"AppendRead", "append a one; append a two; read a", "ok; ok; onetwo"},
	{"AppendNothingCreates", "append a; list; read a", "ok; [a]; "},
	{"ReadMissing", "read a", "not exist"},
	{"SyncMissing", "sync a", "not exist"},
	{"RemoveMissing", "remove a", "not exist"},
	{"RenameMissing", "rename a b; list", "not exist; []"},
	{"ListIsSorted", "append c x; append a x; append b x; list", "ok; ok; ok; [a b c]"},
	{"ListEmpty", "list", "[]"},
	{"Sync", "append a x; sync a; syncdir; read a", "ok; ok; ok; x"},
	{"SyncDirEmpty", "syncdir", "ok"},
	{"Rename", "append a x; rename a b; list; read b; read a", "ok; ok; [b]; x; not exist"},
	{"RenameReplaces", "append a x; append b y; rename a b; list; read b", "ok; ok; ok; [b]; x"},
	{"RenameToItself", "append a x; rename a a; list; read a", "ok; ok; [a]; x"},
	{"AppendAfterRename", "append a x; rename a b; append b y; append a z; read b; read a", "ok; ok; ok; ok; xy; z"},
	{"Remove", "append a x; remove a; list; read a", "ok; ok; []; not exist"},
	{"AppendAfterRemove", "append a x; remove a; append a y; read a", "ok; ok; ok; y"},
	{"AppendAfterSync", "append a x; sync a; append a y; sync a; read a", "ok; ok; ok; ok; xy"},
}

// diskPuppet runs the script of a request and answers with the results, in the
// order in which they came.
func diskPuppet(env actor.Env) actor.Node {
	return &puppet{serve: func(req actor.RequestID, body []byte) {
		script := strings.Split(string(body), "; ")
		var results []string
		starting := true
		for _, line := range script {
			start(env.Disk(), line, func(result string) {
				if starting {
					panic("completed from within the call: " + line)
				}
				if results = append(results, result); len(results) == len(script) {
					env.Reply(req, []byte(strings.Join(results, "; ")))
				}
			})
		}
		starting = false
	}}
}

// start starts the operation that a line of a script names.
func start(d actor.Disk, line string, report func(string)) {
	words := append(strings.Split(line, " "), "", "")
	done := func(err error) { report(outcome("ok", err)) }
	switch name := words[1]; words[0] {
	case "append":
		d.Append(name, []byte(words[2]), done)
	case "sync":
		d.Sync(name, done)
	case "syncdir":
		d.SyncDir(done)
	case "read":
		d.Read(name, func(data []byte, err error) { report(outcome(string(data), err)) })
	case "list":
		d.List(func(names []string, err error) { report(outcome(fmt.Sprint(names), err)) })
	case "rename":
		d.Rename(name, words[2], done)
	case "remove":
		d.Remove(name, done)
	default:
		panic("no such operation: " + line)
	}
}

func outcome(result string, err error) string {
	switch {
	case err == nil:
		return result
	case errors.Is(err, actor.ErrNotExist):
		return "not exist"
	default:
		return err.Error()
	}
}

func testDisk(t *testing.T, deploy Deploy) {
	for _, c := range diskCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, deploy(t, 1, diskPuppet), 0, c.script, c.want)
		})
	}
}

// Whatever was completed is there after the process was killed, synced or not,
// and each node has a disk of its own.
func testDiskOutlivesProcess(t *testing.T, deploy Deploy) {
	c := deploy(t, 2, diskPuppet)
	expect(t, c, 0, "append a x; append b y; sync b; append c z; rename c d; remove b", "ok; ok; ok; ok; ok; ok")
	restart(t, c)
	expect(t, c, 0, "list; read a; read d; append a more; read a", "[a d]; x; z; ok; xmore")
	expect(t, c, 1, "list", "[]")
}

// Operations complete in the order in which they were started, however many
// there are.
func testDiskTakesManyOperations(t *testing.T, deploy Deploy) {
	var script, want []string
	content := ""
	for i := range 400 {
		word := fmt.Sprintf("<%d>", i)
		content += word
		script = append(script, "append a "+word)
		want = append(want, "ok")
		if i%100 == 99 {
			script = append(script, "sync a", "read a")
			want = append(want, "ok", content)
		}
	}
	c := deploy(t, 1, diskPuppet)
	expect(t, c, 0, strings.Join(script, "; "), strings.Join(want, "; "))
}
