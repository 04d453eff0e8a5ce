package nemesis

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Power cuts the power of nodes in one instant: what was not synced is lost, but
// for a seeded part of it that is kept, torn or scattered. In most windows the disks
// sag before that: syncs take long, or do not end any more. Whoever waits for them
// stands still; whoever acknowledges without waiting, or after the wrong one, is
// found out, which would take luck if a sync and the cut had to meet within a
// millisecond. Healing starts the nodes again; half of the time they are killed
// once more while they are starting.
func Power() Fault {
	return Fault{
		Kind:  "power",
		Doc:   "cuts the power of nodes in one instant: what was not synced is lost or torn; then starts them again",
		Needs: world.Power,
		Brief: true,
		Params: []Param{
			targetParam(),
			againParam(),
			{"sag", "mix", "for how long before the cut syncs take longer; mix: up to 400ms in three of four windows"},
			{"sync", "mix", "how much longer each of them takes then; mix: for ever in two of three of those windows, at times but for a few of the first ones, and less in the others"},
		},
		Check: func(p Params, nodes int) error {
			for _, name := range []string{"sag", "sync"} {
				if p[name] == "mix" {
					continue
				}
				d, err := p.Duration(name)
				if err != nil {
					return err
				}
				if d > longestSag || d%time.Millisecond != 0 {
					return fmt.Errorf("%s=%v is not whole milliseconds of at most %v: the nemesis does nothing else for as long as disks sag", name, d, longestSag)
				}
			}
			return checkKill(p, nodes)
		},
		Aim: aimPower,
	}
}

const (
	longestSag = 5 * time.Second
	mostSpared = 4 // syncs of each disk
)

// powerCut is one window of it.
type powerCut struct {
	process
	sag world.Sag
}

func aimPower(s *Scene) (Window, error) {
	w := &powerCut{process: process{up: world.Control.Start, want: "dead"}}
	if err := w.aim(s, []string{"one", "leader", "minority", "majority", "all", "moment"}); err != nil {
		return nil, err
	}
	w.sag = drawSag(s.Draw)
	if s.Record != nil {
		spared, _ := s.Record.Get("spared-syncs").Int()
		w.sag.Spared = int(spared)
	}
	for name, d := range map[string]*time.Duration{"sag": &w.sag.For, "sync": &w.sag.Sync} {
		if given, err := s.Params.Duration(name); err == nil {
			*d = given
		}
		if s.Record != nil {
			ms, _ := s.Record.Get(name + "-ms").Int()
			*d = milliseconds(ms)
		}
	}
	return w, nil
}

// drawSag chooses in whole milliseconds, as they are written down. Where no sync
// ends any more, a few may do so before that: what takes several syncs is cut
// between two of them.
func drawSag(draw *choice.Stream) world.Sag {
	length, slow := draw.Between(10, 400), draw.Between(2, 12)
	switch draw.IntN(4) {
	case 0: // a sync is slow
		return world.Sag{For: milliseconds(length), Sync: milliseconds(max(1, length/slow))}
	case 1, 2: // none ends any more
		spared := draw.IntN(2) * draw.IntN(mostSpared+1)
		return world.Sag{For: milliseconds(length), Sync: milliseconds(length + 1), Spared: spared}
	default:
		return world.Sag{}
	}
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (w *powerCut) Plan() []history.Value {
	return append(w.process.Plan(), str("sag-ms"), history.Int(w.sag.For.Milliseconds()), str("sync-ms"), history.Int(w.sag.Sync.Milliseconds()),
		str("spared-syncs"), history.Int(int64(w.sag.Spared)))
}

func (w *powerCut) Inject(ctl world.Control) error { return ctl.PowerOff(w.nodes, w.sag) }

// Witness looks at the processes from outside, and at the disks.
func (w *powerCut) Witness(ctl world.Control) (Finding, error) {
	f, err := w.process.Witness(ctl)
	if err != nil || f.Witness != history.Confirmed {
		return f, err
	}
	return w.askCanaries(ctl, f)
}

// askCanaries looks at what survived on the disks: the power was really cut if
// something that was not synced is gone, and the disk is to be trusted only if
// everything that was synced is there.
func (w *powerCut) askCanaries(ctl world.Control, f Finding) (Finding, error) {
	gone := false
	var seen []history.Value
	for _, n := range w.nodes {
		c, err := ctl.Disk(n)
		if err != nil {
			return Finding{Witness: history.Inconclusive}, err
		}
		if !c.Synced {
			return f, fmt.Errorf("%s: a file of the harness that was synced is gone: this disk does not keep what it must", nodeName(n))
		}
		gone = gone || !c.Unsynced || c.Lost > 0
		seen = append(seen, str(nodeName(n)), history.Map(
			str("synced-canary"), history.Bool(c.Synced), str("unsynced-canary"), history.Bool(c.Unsynced), str("lost-bytes"), history.Int(int64(c.Lost))))
	}
	f.Evidence = append(f.Evidence, str("disks"), history.Map(seen...))
	if !gone {
		f.Witness = history.Inconclusive
	}
	return f, nil
}
