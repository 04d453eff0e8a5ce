package html

import (
	"cmp"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// replicaLine is how a node of a filesystem logs that it has another version of
// a block, or none any more.
var replicaLine = regexp.MustCompile(`replica: block (\d+) (?:stamp (\d+)|gone)`)

// copyOf is what one node held of one block from a time on.
type copyOf struct {
	time  int64
	node  string
	stamp int64 // 0 for none
}

// replicas draws for each block which node held which version of it.
func (d *drawing) replicas() (picture, bool) {
	held, nodes := d.readReplicas()
	if len(held) == 0 {
		return picture{}, false
	}
	blocks := mostMoved(held)
	var names []string
	for _, b := range blocks {
		names = append(names, "block "+b)
	}
	s := d.newStrips(names)
	for i, b := range blocks {
		for row, node := range nodes {
			of := slices.DeleteFunc(slices.Clone(held[b]), func(c copyOf) bool { return c.node != node })
			drawCopies(s, i, float64(row)/float64(len(nodes)), stripHigh/float64(len(nodes))-1.5, append(of, copyOf{time: d.end}))
		}
	}
	legend := fmt.Sprintf("Rows from top to bottom: %s. The colour changes with the generation stamp. Of %d blocks those that changed most.", words.Clip(strings.Join(nodes, " "), mostShort), len(held))
	return picture{"Blocks and replicas", template.HTML(s.String("which node held which version of each block over time")), template.HTML(template.HTMLEscapeString(legend))}, true
}

// drawCopies draws what one node held of a block, from each time to the next.
func drawCopies(s *strips, i int, down, high float64, of []copyOf) {
	y := s.base(i) - stripHigh*(1-down)
	for n, c := range of[:len(of)-1] {
		if c.stamp == 0 {
			continue
		}
		until := of[n+1].time
		title := fmt.Sprintf("%s had stamp %d from %s to %s", words.Clip(c.node, mostShort), c.stamp, words.Seconds(c.time), words.Seconds(until))
		s.Rect(s.x(c.time), y, max(s.x(until)-s.x(c.time), 1), high, fmt.Sprintf("block m%d", c.stamp%mostMiners), title)
	}
}

// readReplicas collects what nodes logged of their replicas, by block.
func (d *drawing) readReplicas() (held map[string][]copyOf, nodes []string) {
	held = map[string][]copyOf{}
	for _, l := range d.logs {
		if m := replicaLine.FindStringSubmatch(l.text); m != nil {
			stamp, _ := strconv.ParseInt(m[2], 10, 64)
			held[m[1]] = append(held[m[1]], copyOf{l.at, l.node, stamp})
			if !slices.Contains(nodes, l.node) {
				nodes = append(nodes, l.node)
			}
		}
	}
	slices.Sort(nodes)
	return held, nodes
}

// mostMoved returns the blocks with the most changes, in the order of their numbers.
func mostMoved(held map[string][]copyOf) []string {
	blocks := make([]string, 0, len(held))
	for b := range held {
		blocks = append(blocks, b)
	}
	byNumber := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
	slices.SortFunc(blocks, func(a, b string) int { return cmp.Or(-cmp.Compare(len(held[a]), len(held[b])), byNumber(a, b)) })
	blocks = blocks[:min(len(blocks), mostStrips)]
	slices.SortFunc(blocks, byNumber)
	return blocks
}
