package ap

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Bugs is a set of seeded bugs: decisions that are taken the wrong way. Their
// rows in package zoo say what each is like, and how it is found.
type Bugs uint32

// The bugs, by what they do.
const (
	wallStamps     Bugs = 1 << iota // AP1: writes are stamped by the wall clock
	standInsCount                   // AP2: stand-ins count towards a strict quorum
	volatileHints                   // AP3: hints are kept in memory
	bareDeletes                     // AP4: deletes leave no tombstones
	restampRepairs                  // AP5: read repair gives the old value a new version
	lastRange                       // AP9: anti-entropy leaves out the last range
	unsynced                        // AP10: records count once they are written
	hastyHandoff                    // AP11: hints are forgotten when they are sent
	restampHints                    // AP12: hints are handed over under a new version
	deafClock                       // AP13: the clock takes no notice of other clocks
	falseFailure                    // AP14: a write without a quorum ends as failed
	namesOnly                       // AP15: anti-entropy looks at keys, and not at versions
	noWriteBack                     // AP16: reads return what may be on one owner only
	localReads                      // AP17: owners answer reads from their own replica
	fewHints                        // AP18: of many hints for an owner the first ones are kept
)

// ids has the bugs in the order of their bits.
var ids = []string{"AP1", "AP2", "AP3", "AP4", "AP5", "AP9", "AP10", "AP11", "AP12", "AP13", "AP14", "AP15", "AP16", "AP17", "AP18"}

const (
	breaksStrict = standInsCount | noWriteBack | localReads
	breaksHLC    = wallStamps | bareDeletes | restampRepairs | restampHints | deafClock | breaksStrict
)

// has reports whether all bugs of other are in b.
func (b Bugs) has(other Bugs) bool { return b&other == other }

// BugNamed returns the bug with an id, if there is one.
func BugNamed(id string) (b Bugs, found bool) {
	at := slices.Index(ids, id)
	if at < 0 {
		return 0, false
	}
	return 1 << at, true
}

// mostHints is how many hints for one owner are kept with the bug fewHints.
const mostHints = 10

// checkBugs says which bugs would break nothing, because what they break is not
// promised.
func (c Config) checkBugs() error {
	switch {
	case c.Conflict != HLC && c.Bugs&breaksHLC != 0:
		return fmt.Errorf("bug %s breaks the promise of conflict=hlc: set conflict=hlc, or leave the bug out", (c.Bugs & breaksHLC).first())
	case !(c.Strict && c.R+c.W > c.N) && c.Bugs&breaksStrict != 0:
		return fmt.Errorf("bug %s breaks the promise of quorum=strict with r+w > n: set these, or leave the bug out", (c.Bugs & breaksStrict).first())
	default:
		return nil
	}
}

// first returns the id of one of the bugs.
func (b Bugs) first() string { return ids[bits.TrailingZeros32(uint32(b))] }

// disk returns the node's disk.
func (c Config) disk(env actor.Env) actor.Disk {
	if c.Bugs.has(unsynced) {
		return unsyncedDisk{env.Disk()}
	}
	return env.Disk()
}

// unsyncedDisk leaves it to the system when to bring a file to the disk: a sync
// is over as soon as all was written that was to be synced.
type unsyncedDisk struct{ actor.Disk }

func (d unsyncedDisk) Sync(name string, done func(error)) { d.Append(name, nil, done) }
