package logs

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// group returns a group, or nil.
func (m *metadata) group(name string) *group {
	i, found := slices.BinarySearchFunc(m.groups, name, compareGroup)
	if !found {
		return nil
	}
	return &m.groups[i]
}

func compareGroup(g group, name string) int { return cmp.Compare(g.name, name) }

// join takes a member into its group, which it founds if there is none. For one
// that is there already nothing changes.
func (m *metadata) join(name, who string, node actor.NodeID, d *wire.Decoder) []byte {
	if d.Done() != nil || int(node) >= m.nodes || name == "" || who == "" {
		return []byte{refused}
	}
	i, found := slices.BinarySearchFunc(m.groups, name, compareGroup)
	if !found {
		g := group{name: name, owners: make([]string, len(m.parts)), offsets: make([]int64, len(m.parts))}
		m.groups = slices.Insert(m.groups, i, g)
	}
	g := &m.groups[i]
	at, found := slices.BinarySearchFunc(g.members, who, compareMember)
	if !found {
		g.members = slices.Insert(g.members, at, member{who, node})
		g.generation++
		g.assign()
	}
	return g.share(who)
}

func compareMember(a member, name string) int { return cmp.Compare(a.name, name) }

func (m *metadata) leave(name, who string, d *wire.Decoder) []byte {
	g := m.group(name)
	if d.Done() != nil || g == nil {
		return []byte{refused}
	}
	m.drop(g, func(x member) bool { return x.name == who })
	return []byte{done}
}

// drop takes members out of a group. Those that stay get a new generation.
func (m *metadata) drop(g *group, gone func(member) bool) {
	before := len(g.members)
	g.members = slices.DeleteFunc(g.members, gone)
	if len(g.members) == before {
		return
	}
	if !m.cfg.Bugs[Q10] {
		g.generation++
	}
	g.assign()
}

// assign deals the partitions out to the members, in turn.
func (g *group) assign() {
	for p := range g.owners {
		g.owners[p] = ""
		if len(g.members) > 0 {
			g.owners[p] = g.members[p%len(g.members)].name
		}
	}
}

func (g *group) has(who string) bool {
	_, found := slices.BinarySearchFunc(g.members, who, compareMember)
	return found
}

// current reports whether a member may speak for its group.
func (g *group) current(who membership) bool {
	return g != nil && g.generation == who.generation && g.has(who.member)
}

// share answers what a member owns: the generation, and the positions from which
// it is to poll.
func (g *group) share(who string) []byte {
	var own []position
	for p, owner := range g.owners {
		if owner == who {
			own = append(own, position{p, g.offsets[p]})
		}
	}
	return appendPositions(wire.AppendUvarints([]byte{done}, g.generation), own)
}

// commit notes that everything below some offsets is done.
func (m *metadata) commit(who membership, offsets []position, d *wire.Decoder) []byte {
	if d.Done() != nil || !m.fit(offsets) {
		return []byte{refused}
	}
	g := m.group(who.group)
	if g == nil || !g.current(who) && !m.cfg.Bugs[Q12] {
		m.met = factStale
		return []byte{stale}
	}
	g.note(offsets)
	return []byte{done}
}

// note takes offsets over. A group never goes back: a commit that was on its way for
// longer than the next one is no news.
func (g *group) note(offsets []position) {
	for _, p := range offsets {
		g.offsets[p.part] = max(g.offsets[p.part], p.offset)
	}
}
