package html

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/svg"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// picture is a drawing of what the system under test is made of: the
// partitions of a log, the chain of a ledger, the replicas of a file's blocks.
type picture struct {
	Name    string
	Drawing template.HTML
	Legend  template.HTML
}

// pictures draws what the history and the logs tell of the inside of the
// system. Each picture looks for the operations that it can draw, so a run has
// those that fit its target.
func (d *drawing) pictures() []picture {
	var all []picture
	for _, draw := range []func() (picture, bool){d.partitions, d.chains, d.forks, d.replicas} {
		if p, ok := draw(); ok {
			all = append(all, p)
		}
	}
	return all
}

// Measures of a strip: a small chart below others on one time axis.
const (
	stripHigh  = 64.0
	stripGap   = 16.0
	stripsTop  = 18.0
	mostStrips = 12
)

// strips is a column of small charts under each other.
type strips struct {
	*svg.Canvas
	axis
	count int
}

// newStrips returns an empty column with the fault windows behind it.
func (d *drawing) newStrips(names []string) *strips {
	height := stripsTop + float64(len(names))*(stripHigh+stripGap) + axisHigh
	s := &strips{svg.New(chartWidth, height), axis{0, d.end}, len(names)}
	step := tickStep(d.end)
	for t := int64(0); t <= d.end; t += step {
		s.Line(s.x(t), stripsTop, s.x(t), height-axisHigh, "grid")
		s.Text(s.x(t), height-axisHigh/2, "middle", "tick", tickLabel(t, step))
	}
	for _, w := range d.windows {
		s.Rect(s.x(w.Start), stripsTop, s.x(w.End)-s.x(w.Start), height-axisHigh-stripsTop, "band "+fault(w.Kind), "")
	}
	for i, name := range names {
		s.Line(chartLeft, s.base(i), chartWidth-chartRight, s.base(i), "grid")
		s.Text(chartLeft-6, s.base(i)-stripHigh/2, "end", "tick", words.Fit(name, chartLeft-6, 11))
	}
	return s
}

// base is the lower edge of a strip.
func (s *strips) base(i int) float64 { return stripsTop + float64(i+1)*(stripHigh+stripGap) - stripGap }

// y maps a number from 0 to most to a place in a strip.
func (s *strips) y(i int, n, most int64) float64 {
	return s.base(i) - stripHigh*float64(n)/float64(max(most, 1))
}

// scale writes the numbers at the edges of a strip.
func (s *strips) scale(i int, most int64) {
	s.Text(chartLeft-6, s.base(i), "end", "tick", "0")
	s.Text(chartLeft-6, s.base(i)-stripHigh+8, "end", "tick", fmt.Sprint(most))
}

// partition is what clients saw of one partition of a log.
type partition struct {
	name   string
	sent   []message
	polls  []message
	polled map[string]bool // by value
	most   int64           // the greatest offset
}

// message is one that was acknowledged or polled at some time.
type message struct {
	time, offset int64
	value        string
}

// partitions draws for each partition which offsets were sent and polled when.
func (d *drawing) partitions() (picture, bool) {
	parts := d.readPartitions()
	if len(parts) == 0 {
		return picture{}, false
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	s := d.newStrips(names)
	lost := 0
	for i, p := range parts {
		lost += p.draw(s, i)
	}
	legend := `<span><i class="dot fail"></i>polled</span> <span><i class="dot ok"></i>sent and acknowledged</span>`
	if lost > 0 {
		legend += fmt.Sprintf(` <span><i class="dot bad"></i>acknowledged, and never polled: %d</span>`, lost)
	}
	return picture{"Partitions and offsets", template.HTML(s.String("offsets of each partition over time")), template.HTML(legend)}, true
}

// draw draws a partition as one strip, and counts the offsets that were
// acknowledged and never polled.
func (p *partition) draw(s *strips, i int) (lost int) {
	s.scale(i, p.most)
	var polled, sent, never [][2]float64
	for _, m := range p.polls {
		polled = append(polled, [2]float64{s.x(m.time), s.y(i, m.offset, p.most)})
	}
	for _, m := range p.sent {
		dot := [2]float64{s.x(m.time), s.y(i, m.offset, p.most)}
		if p.polled[m.value] {
			sent = append(sent, dot)
		} else {
			never = append(never, dot)
		}
	}
	s.Dots("dot fail", polled)
	s.Dots("dot ok", sent)
	s.Dots("dot bad", never)
	return len(never)
}

// readPartitions collects the micro-operations of package eventlog by
// partition, those that come first in the order of their names.
func (d *drawing) readPartitions() []*partition {
	byName := map[string]*partition{}
	var parts []*partition
	at := func(key string) *partition {
		if byName[key] == nil {
			byName[key] = &partition{name: key, polled: map[string]bool{}}
			parts = append(parts, byName[key])
		}
		return byName[key]
	}
	for _, call := range d.calls {
		if call.Type() != history.OK || !slices.Contains([]string{"send", "poll", "txn"}, call.Invoke.F) {
			continue
		}
		for _, m := range call.Complete.Value.Elems() {
			readMicro(m, call.Complete.Time, at)
		}
	}
	slices.SortFunc(parts, func(a, b *partition) int { return strings.Compare(a.name, b.name) })
	return parts[:min(len(parts), mostStrips)]
}

// readMicro enters one micro-operation, if it shows offsets.
func readMicro(m history.Value, time int64, at func(string) *partition) {
	e := m.Elems()
	switch {
	case len(e) == 3 && e[0].Text() == "send":
		if sent, ok := readMessage(e[2], time); ok {
			p := at(text(e[1]))
			p.sent, p.most = append(p.sent, sent), max(p.most, sent.offset)
		}
	case len(e) == 2 && e[0].Text() == "poll" && e[1].Kind() == history.KindMap:
		kvs := e[1].Elems()
		for i := 0; i+1 < len(kvs); i += 2 {
			p := at(text(kvs[i]))
			for _, v := range kvs[i+1].Elems() {
				if got, ok := readMessage(v, time); ok {
					p.polls, p.polled[got.value], p.most = append(p.polls, got), true, max(p.most, got.offset)
				}
			}
		}
	}
}

// readMessage reads a pair of an offset and a value.
func readMessage(v history.Value, time int64) (message, bool) {
	e := v.Elems()
	if v.Kind() != history.KindList || len(e) != 2 {
		return message{}, false
	}
	offset, ok := e[0].Int()
	return message{time, offset, e[1].String()}, ok && offset >= 0
}

// text is how a key is written in a picture.
func text(v history.Value) string {
	if s := v.Text(); s != "" {
		return s
	}
	return v.String()
}
