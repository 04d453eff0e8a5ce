package pow

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// gadget counts votes: it knows which checkpoints are justified, and which are final.
type gadget struct {
	quorum    int
	links     []*link // in the order of their first votes
	find      map[[2]coin.Hash]*link
	justified map[*block]bool
	top       *block      // the highest justified checkpoint
	final     *block      // the highest final one
	seals     []*link     // those that have made a block final, each a higher one than those before
	heard     []coin.Vote // all that were counted, as they came
	any       bool        // votes are counted, not voters
	skipped   bool        // a checkpoint was justified from one that is not the last before it
}

// link is the votes with one source and one target.
type link struct {
	source, target *block
	votes          []coin.Vote
	counted        int
	sum            uint64 // of the names of the votes, whatever their order
}

func newGadget(genesis *block, nodes int, bugs map[Bug]bool) *gadget {
	quorum := nodes*2/3 + 1
	if bugs[FewVotes] {
		quorum = nodes * 2 / 3
	}
	return &gadget{
		quorum: quorum, find: map[[2]coin.Hash]*link{}, any: bugs[AnyVote],
		justified: map[*block]bool{genesis: true}, top: genesis, final: genesis,
	}
}

// has reports whether a vote was counted.
func (g *gadget) has(v *coin.Vote) bool {
	l := g.find[[2]coin.Hash{v.Source, v.Target}]
	if l == nil {
		return false
	}
	for i := range l.votes {
		if l.votes[i].Validator == v.Validator {
			return true
		}
	}
	return false
}

// count takes in a vote whose source and target are known, and reports whether
// it justified anything.
func (g *gadget) count(v coin.Vote, source, target *block) bool {
	if !source.on(target) || source.Height >= target.Height || source.mark != source || target.mark != target ||
		source.Height != v.SourceHeight || target.Height != v.TargetHeight {
		return false
	}
	name := [2]coin.Hash{v.Source, v.Target}
	l := g.find[name]
	if l == nil {
		l = &link{source: source, target: target}
		g.find[name] = l
		g.links = append(g.links, l)
	}
	if g.has(&v) {
		if g.any {
			l.counted++
		}
	} else {
		l.votes = append(l.votes, v)
		g.heard = append(g.heard, v)
		l.counted++
		name := v.Name()
		l.sum += binary.BigEndian.Uint64(name[:])
	}
	return g.settle()
}

// settle justifies what can be, until nothing changes.
func (g *gadget) settle() (changed bool) {
	for again := true; again; {
		again = false
		for _, l := range g.links {
			if g.justified[l.target] || !g.justified[l.source] || l.counted < g.quorum {
				continue
			}
			g.justified[l.target] = true
			again, changed = true, true
			g.skipped = g.skipped || l.target.Height > l.source.Height+Epoch
			if l.target.Height > g.top.Height {
				g.top = l.target
			}
		}
	}
	for _, l := range g.links {
		if l.counted >= g.quorum && g.justified[l.source] && l.target.Height == l.source.Height+Epoch && l.source.Height > g.final.Height {
			g.final = l.source
			g.seals = append(g.seals, l)
		}
	}
	return changed
}

// seal returns the votes that show that block b is final, and the block that they
// make final, which builds on b or is b itself.
func (g *gadget) seal(b *block) (*block, []coin.Vote) {
	for _, l := range g.seals {
		if b.on(l.source) {
			return l.source, l.votes
		}
	}
	return b, nil
}

// above returns all votes for targets above a height.
func (g *gadget) above(height uint64) (votes []coin.Vote) {
	for _, l := range g.links {
		if l.target.Height > height {
			votes = append(votes, l.votes...)
		}
	}
	return votes
}

// sum returns a number that two nodes have in common if they have counted the same
// votes for targets above a height, and hardly otherwise.
func (g *gadget) sum(height uint64) (sum uint64) {
	for _, l := range g.links {
		if l.target.Height > height {
			sum += l.sum
		}
	}
	return sum
}
