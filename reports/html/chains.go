package html

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/svg"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// block is a block of a ledger as the observations describe it.
type block struct {
	id, parent, miner string
	height            int64
	up                *block   // its parent, if that was described too
	down              []*block // those that build on it
	reach             int64    // height of the longest chain through it
	row               int      // in which it is drawn
	main              bool     // it is on the chain that most nodes saw last
}

// sight is a chain that a node showed at some time.
type sight struct {
	time int64
	node string
	tip  *block
}

// readChains collects the blocks and tips of package ledger's observations.
func (d *drawing) readChains() (blocks []*block, sights []sight) {
	byID := map[string]*block{}
	at := func(id string) *block {
		if byID[id] == nil {
			byID[id] = &block{id: id, height: -1}
		}
		return byID[id]
	}
	for _, call := range d.calls {
		if call.Type() != history.OK || call.Invoke.F != "observe" {
			continue
		}
		v := call.Complete.Value
		for _, b := range v.Get("blocks").Elems() {
			height, ok := b.Get("height").Int()
			if x := at(text(b.Get("id"))); ok && x.height < 0 {
				x.parent, x.miner, x.height = text(b.Get("parent")), b.Get("miner").Text(), height
				blocks = append(blocks, x)
			}
		}
		if tip := v.Get("tip"); !tip.IsNil() {
			sights = append(sights, sight{call.Complete.Time, call.Complete.Node, at(text(tip))})
		}
	}
	for _, b := range blocks {
		if p := byID[b.parent]; p != nil && p.height >= 0 && p.height < b.height {
			b.up = p
			p.down = append(p.down, b)
		}
	}
	return blocks, sights
}

// chains draws the height of the chain that each node showed, and marks when
// one of them left blocks behind.
func (d *drawing) chains() (picture, bool) {
	_, sights := d.readChains()
	byNode := map[string][]sight{}
	var nodes []string
	most := int64(0)
	for _, s := range sights {
		if byNode[s.node] == nil {
			nodes = append(nodes, s.node)
		}
		byNode[s.node] = append(byNode[s.node], s)
		most = max(most, s.tip.height)
	}
	if len(nodes) == 0 {
		return picture{}, false
	}
	slices.Sort(nodes)
	nodes = nodes[:min(len(nodes), mostStrips)]
	s := d.newStrips(nodes)
	for i, node := range nodes {
		s.scale(i, most)
		drawHeights(s, i, byNode[node], most)
	}
	legend := `<span><i class="dot ok"></i>the chain that clients saw through the node</span> <span><i class="dot bad"></i>it had left blocks for another branch</span>`
	return picture{"Chains", template.HTML(s.String("height of the chain of each node over time")), template.HTML(legend)}, true
}

// drawHeights draws one node's chain as steps.
func drawHeights(s *strips, i int, seen []sight, most int64) {
	slices.SortStableFunc(seen, func(a, b sight) int { return cmp.Compare(a.time, b.time) })
	var tips, left [][2]float64
	for n, now := range seen {
		at := [2]float64{s.x(now.time), s.y(i, now.tip.height, most)}
		tips = append(tips, at)
		if n == 0 {
			continue
		}
		was := seen[n-1]
		from := s.y(i, was.tip.height, most)
		s.Line(s.x(was.time), from, at[0], from, "step")
		s.Line(at[0], from, at[0], at[1], "step")
		if was.tip != now.tip && !builds(now.tip, was.tip) && !builds(was.tip, now.tip) {
			left = append(left, at)
		}
	}
	s.Dots("dot ok", tips)
	s.Dots("dot bad", left)
}

// builds reports whether a builds on b, as far as the blocks were described.
func builds(a, b *block) bool {
	for a != nil && a != b && a.height > b.height {
		a = a.up
	}
	return a == b
}

// Measures of the tree of blocks.
const (
	branchHigh = 17.0
	mostRows   = 24
	boxWide    = 15.0
)

// forks draws all blocks: those of the chain that was seen last in the first
// row, and the branches that were left below.
func (d *drawing) forks() (picture, bool) {
	blocks, sights := d.readChains()
	if len(blocks) == 0 {
		return picture{}, false
	}
	slices.SortStableFunc(blocks, func(a, b *block) int { return cmp.Compare(a.height, b.height) })
	rows := layOut(blocks, sights)
	low, high := blocks[0].height, blocks[len(blocks)-1].height
	wide := min(boxWide, (chartWidth-chartLeft-chartRight)/float64(high-low+1))
	c := svg.New(chartWidth, stripsTop+float64(rows)*branchHigh+axisHigh)
	miners := []string{}
	place := func(b *block) (x, y float64) {
		return chartLeft + float64(b.height-low)*wide, stripsTop + float64(b.row)*branchHigh
	}
	for _, b := range blocks {
		if b.row >= rows {
			continue
		}
		x, y := place(b)
		if b.up != nil {
			px, py := place(b.up)
			c.Line(px+wide-1, py+branchHigh/2-2, x, y+branchHigh/2-2, "step")
		}
		if b.miner != "" && !slices.Contains(miners, b.miner) {
			miners = append(miners, b.miner)
		}
		class := "block"
		if b.miner != "" {
			class = fmt.Sprintf("block m%d", slices.Index(miners, b.miner)%mostMiners)
		}
		if !b.main {
			class += " left"
		}
		c.Rect(x, y, max(wide-2, 1), branchHigh-5, class, words.Clip(fmt.Sprintf("block %s, height %d, mined by %s", b.id, b.height, b.miner), mostShort))
	}
	c.Text(chartLeft-6, stripsTop+11, "end", "tick", "chain")
	if rows > 1 {
		c.Text(chartLeft-6, stripsTop+branchHigh+11, "end", "tick", "left")
	}
	step := max(1, int64(60/wide))
	for h := low; h <= high; h += step {
		c.Text(chartLeft+(float64(h-low)+0.5)*wide, stripsTop+float64(rows)*branchHigh+14, "middle", "tick", fmt.Sprint(h))
	}
	return picture{"Forks", template.HTML(c.String("all blocks by height, and the branches that were left")), forksLegend(miners)}, true
}

// mostMiners is for how many miners the page has colours; further ones share them.
const mostMiners = 6

func forksLegend(miners []string) template.HTML {
	legend := "Height from left to right."
	for i, m := range miners {
		legend += fmt.Sprintf(` <span><i class="m%d"></i>mined by %s</span>`, i%mostMiners, template.HTMLEscapeString(words.Clip(m, mostShort)))
	}
	return template.HTML(legend + " <span>Paler blocks were left for another branch.</span>")
}

// layOut gives every block a row, and returns how many rows are drawn. Blocks
// come in the order of their heights.
func layOut(blocks []*block, sights []sight) int {
	for _, b := range slices.Backward(blocks) {
		b.reach = b.height
		for _, next := range b.down {
			b.reach = max(b.reach, next.reach)
		}
	}
	for b := lastTip(blocks, sights); b != nil; b = b.up {
		b.main = true
	}
	rows := &rowsOf{}
	rows.free(0, blocks[len(blocks)-1].height)
	for _, b := range blocks {
		if !b.main && (b.up == nil || longest(b.up) != b) {
			rows.branch(b)
		}
	}
	return min(len(rows.until), mostRows)
}

// lastTip is the tip that most nodes showed when they were asked last.
func lastTip(blocks []*block, sights []sight) *block {
	last := map[string]*block{}
	for _, s := range sights {
		last[s.node] = s.tip
	}
	votes := map[*block]int{}
	for _, tip := range last {
		votes[tip]++
	}
	var best *block
	for _, b := range blocks {
		if votes[b] > 0 && (best == nil || votes[b] >= votes[best]) {
			best = b
		}
	}
	return best
}

// longest is the block that goes on in the row of b: the one on the main chain,
// or with the longest chain on it.
func longest(b *block) *block {
	return slices.MaxFunc(b.down, func(x, y *block) int {
		return cmp.Or(cmp.Compare(rank(x.main), rank(y.main)), cmp.Compare(x.reach, y.reach), -cmp.Compare(x.id, y.id))
	})
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rowsOf says up to which height each row is taken.
type rowsOf struct{ until []int64 }

// free finds a row that is free from a height on, and takes it up to another.
func (r *rowsOf) free(from, to int64) int {
	row := slices.IndexFunc(r.until, func(until int64) bool { return until < from })
	if row < 0 {
		row = len(r.until)
		r.until = append(r.until, 0)
	}
	r.until[row] = to + 1
	return row
}

// branch gives a row to a block and to those that go on from it.
func (r *rowsOf) branch(b *block) {
	row := r.free(b.height-1, b.reach)
	for b.row = row; len(b.down) > 0; b.row = row {
		b = longest(b)
	}
}
