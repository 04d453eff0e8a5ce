package ap

import "github.com/ordeal-dev/ordeal/harness/actor"

// lead is how far the ceiling of a clock is set ahead. A ceiling costs a sync,
// so one every two seconds or so; and a restarted node is ahead of the time by
// so much, which harms nobody.
const lead = 4 * second

// clock stamps writes. Under HLC it is a hybrid logical clock: ahead of every
// stamp that it gave or was shown, and else the time of the wall clock. So that
// this holds across crashes, it goes no further than a ceiling that is on disk,
// and begins there when the node is restarted.
type clock struct {
	self actor.NodeID
	wall func() int64
	// logical: stamps are ahead of what was seen; else they are wall time.
	logical bool
	deaf    bool // the bug deafClock

	last    stamp               // the greatest that was given or seen
	ceiling stamp               // on disk
	asked   stamp               // the greatest ceiling that was asked for
	ask     func(ceiling stamp) // brings a ceiling to disk, then calls raise
	beyond  func()              // a stamp was heard that is above the ceiling
	waiting []waiter
}

// waiter is what goes on when the ceiling has reached a stamp.
type waiter struct {
	at   stamp
	then func()
}

// see notes a stamp.
func (c *clock) see(at stamp) { c.last = max(c.last, at) }

// hear notes a stamp that came from another node.
func (c *clock) hear(at stamp) {
	if c.deaf {
		return
	}
	c.see(at)
	if c.logical && at > c.ceiling {
		c.beyond()
	}
}

// next returns the version of a new write.
func (c *clock) next() version {
	at := wallStamp(c.wall())
	if c.logical {
		c.last = max(c.last+1, at)
		at = c.last
	}
	return version{at: at, node: c.self}
}

// await calls then when no restart can make the clock forget the stamp any
// more: at once if the ceiling is above it.
func (c *clock) await(at stamp, then func()) {
	if !c.logical {
		then()
		return
	}
	if at+lead/2 > c.asked {
		c.asked = at + lead
		c.ask(c.asked)
	}
	if at <= c.ceiling {
		then()
		return
	}
	c.waiting = append(c.waiting, waiter{at, then})
}

// raise says that a ceiling is on disk.
func (c *clock) raise(ceiling stamp) {
	c.ceiling = max(c.ceiling, ceiling)
	waiting := c.waiting
	c.waiting = nil
	for _, w := range waiting {
		if w.at <= c.ceiling {
			w.then()
		} else {
			c.waiting = append(c.waiting, w)
		}
	}
}
