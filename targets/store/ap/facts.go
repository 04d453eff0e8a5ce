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
)

// Facts returns what a campaign must have met under the settings.
func (c Config) Facts() []string {
	facts := []string{factStandIn, factNewer, factHanded, factRepaired, factDiffers, factGivenUp}
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

// note says once in the life of a node that something happened.
func (n *node) note(fact string) {
	if !n.noted[fact] {
		n.noted[fact] = true
		actor.Sometimes(n.env, fact)
	}
}
