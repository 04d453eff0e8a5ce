package ap

import "github.com/ordeal-dev/ordeal/harness/actor"

// What happens now and then, see [actor.Sometimes].
const (
	factStandIn   = "a stand-in kept a write for an owner"
	factNewer     = "a newer write took the place of a hint"
	factHanded    = "hints were handed over"
	factRepaired  = "a read found owners behind and repaired them"
	factEveryone  = "a read asked nodes that own nothing"
	factWriteBack = "a read gave what it found to more owners before it returned it"
	factDiffers   = "anti-entropy found what replicas had missed"
	factGivenUp   = "a write ended without its quorum"
	factAhead     = "a write was stamped later than the clock on the wall says"
	factAnew      = "the log was written anew"
	factBeyond    = "a stamp was heard that is later than a restart would remember"
)

// noteEvery is how long a node does not note again what it has noted: faults wait
// for these moments, which come all the time where there is trouble.
const noteEvery = 500 * ms

// Facts returns what a campaign must have met under the settings.
func (c Config) Facts() []string {
	facts := []string{factStandIn, factNewer, factHanded, factRepaired, factDiffers, factGivenUp, factAnew}
	if c.Strict {
		facts = append(facts, factWriteBack)
	} else {
		facts = append(facts, factEveryone)
	}
	if c.Conflict == HLC {
		facts = append(facts, factAhead)
	}
	return facts
}

// note says that something happened, if it has not just said so.
func (n *node) note(fact string) {
	now := n.env.Mono()
	if at, noted := n.noted[fact]; noted && now-at < noteEvery {
		return
	}
	n.noted[fact] = now
	actor.Sometimes(n.env, fact)
}
