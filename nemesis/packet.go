package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Packet makes a network bad without cutting it. What it does is the kind:
//
//	delay    every packet takes longer, each by its own jitter
//	loss     some packets are lost
//	dup      some packets arrive a second time, possibly much later
//	reorder  some packets are held back while later ones pass
//	storm    all of that at once
//	mix      a seeded choice for each window
//
// and where it does so is a choice of links, each of which has a direction:
// a single one, all of one node, all of the node that leads, all between nodes,
// or all between nodes and their clients. Clients talk over TCP, to which a bad
// network is a slow one: between them and the nodes there is only delay.
func Packet() Fault {
	return Fault{
		Kind:  "packet",
		Doc:   "makes links slow and unreliable: packets are delayed, lost, doubled or overtaken, on each link by its own seeded draws",
		Needs: world.Packet,
		Params: []Param{
			{"kind", "mix", "delay, loss, dup, reorder, storm (all of it), or mix"},
			{"links", "mix", "which links: link (one, one way), node (all of one node), leader, all, clients, or mix"},
			{"delay", "mix", "how much longer every packet takes, like 100ms, or mix: a seeded choice from 10ms to 320ms"},
			{"jitter", "mix", "and up to how much more, drawn for each packet, or mix: up to as much again"},
			{"loss", "mix", "the share that is lost, like 20%, or mix: a seeded choice from 10% to 50%"},
			{"dup", "mix", "the share that arrives twice, likewise, but up to 90% where nothing else happens"},
			{"reorder", "mix", "the share that is held back, likewise"},
			{"behind", "mix", "how much later at most a doubled packet comes again or one that was held back arrives, or mix: a seeded choice 200ms or 400ms"},
		},
		Check: checkPacket,
		Aim:   aimPacket,
	}
}

// Bounds of the parameters: below them the witness could not tell the fault from
// a network that is well, and above them a window would be over before it could.
const (
	leastDelay, mostDelay   = 5 * time.Millisecond, 2 * time.Second
	leastBehind, mostBehind = 200 * time.Millisecond, 2 * time.Second
	leastShare, mostShare   = 5, 90
)

// packetKinds and packetLinks give the weight of each in a mix.
var (
	packetKinds = []choice.Weighted{
		{Name: "delay", Weight: 25}, {Name: "loss", Weight: 25}, {Name: "dup", Weight: 15},
		{Name: "reorder", Weight: 15}, {Name: "storm", Weight: 20},
	}
	packetLinks = []choice.Weighted{
		{Name: "node", Weight: 30}, {Name: "all", Weight: 25}, {Name: "leader", Weight: 20},
		{Name: "link", Weight: 15}, {Name: "clients", Weight: 10},
	}
)

func weightedNames(of []choice.Weighted) []string {
	var names []string
	for _, w := range of {
		names = append(names, w.Name)
	}
	return append(names, "mix")
}

func checkPacket(p Params, nodes int) error {
	if err := p.Oneof("kind", weightedNames(packetKinds)...); err != nil {
		return err
	}
	if err := p.Oneof("links", weightedNames(packetLinks)...); err != nil {
		return err
	}
	if nodes < 2 && p["links"] != "clients" {
		return fmt.Errorf("%d node has no links to others; take at least 2 nodes, or links=clients", nodes)
	}
	if p["links"] == "clients" && p["kind"] != "mix" && p["kind"] != "delay" {
		return fmt.Errorf("kind=%s does nothing to clients, who talk over TCP; take kind=delay, or other links", p["kind"])
	}
	for _, name := range []string{"loss", "dup", "reorder"} {
		if _, err := share(p[name]); p[name] != "mix" && err != nil {
			return fmt.Errorf("%s=%q is not a share from %d%% to %d%%: write it like 20%%, or mix", name, p[name], leastShare, mostShare)
		}
	}
	return errors.Join(
		checkDelay(p, "delay", leastDelay, mostDelay), checkDelay(p, "jitter", 0, mostDelay), checkDelay(p, "behind", leastBehind, mostBehind))
}

func checkDelay(p Params, name string, least, most time.Duration) error {
	d, err := time.ParseDuration(p[name])
	if p[name] == "mix" || err == nil && d >= least && d <= most {
		return nil
	}
	return fmt.Errorf("%s=%q is not a time from %v to %v: write it like 200ms, or mix", name, p[name], least, most)
}

// share reads a percentage as a count in a million.
func share(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 64)
	if err == nil && (n < leastShare || n > mostShare || !strings.HasSuffix(text, "%")) {
		err = errors.New("out of range")
	}
	return n * 10_000, err
}

// packet is one window of it.
type packet struct {
	kind    string
	nodes   []int
	links   []world.Link
	control []world.Link // some that are left alone, to compare with
	what    world.Packets
	before  map[world.Link]uint64
}

func aimPacket(s *Scene) (Window, error) {
	w := &packet{kind: s.Params["kind"]}
	where := s.Params["links"]
	if where == "mix" {
		where = drawLinks(s.Draw, w.kind)
	}
	switch {
	case where == "clients":
		w.kind = "delay"
	case w.kind == "mix":
		w.kind = choice.Weigh(s.Draw, packetKinds)
	}
	w.lay(s, where)
	w.what = drawPackets(s, w.kind)
	if s.Record != nil {
		if err := w.restore(*s.Record); err != nil {
			return nil, err
		}
	}
	w.control = controlLinks(s, w.links)
	before, err := s.Shaped()
	w.before = before
	return w, err
}

// drawLinks chooses among those to which a kind does anything.
func drawLinks(draw *choice.Stream, kind string) string {
	return choice.Weigh(draw, slices.DeleteFunc(slices.Clone(packetLinks), func(w choice.Weighted) bool {
		return w.Name == "clients" && kind != "mix" && kind != "delay"
	}))
}

// lay chooses the nodes and the links.
func (w *packet) lay(s *Scene, where string) {
	order := s.Draw.Perm(s.Nodes())
	w.nodes = order[:1]
	hit := func(l world.Link) bool { return l.From == w.nodes[0] || l.To == w.nodes[0] }
	switch where {
	case "leader":
		if l := s.leaders(); len(l) > 0 { // if nobody leads, an election is as good a moment
			w.nodes = l[:1]
		}
	case "link":
		hit = func(l world.Link) bool { return l == world.Link{From: order[0], To: order[1]} }
	case "all", "clients":
		w.nodes = sorted(order)
		hit = func(world.Link) bool { return true }
	}
	for _, l := range linksWithClients(s.Nodes()) {
		if clients := l.From == world.Clients || l.To == world.Clients; clients == (where == "clients") && hit(l) {
			w.links = append(w.links, l)
		}
	}
}

func linksWithClients(nodes int) []world.Link {
	links := allLinks(nodes)
	for n := range nodes {
		links = append(links, world.Link{From: world.Clients, To: n}, world.Link{From: n, To: world.Clients})
	}
	return links
}

// controls is how many links are left alone and measured as well: a partition
// that overlaps the window rarely cuts all of them.
const controls = 4

func controlLinks(s *Scene, hit []world.Link) []world.Link {
	rest := slices.DeleteFunc(linksWithClients(s.Nodes()), func(l world.Link) bool { return slices.Contains(hit, l) })
	s.Draw.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return rest[:min(controls, len(rest))]
}

// drawPackets draws what the parameters leave open. Each draw is made whether
// or not its outcome is needed, so that one parameter does not change another.
func drawPackets(s *Scene, kind string) world.Packets {
	draw, p := s.Draw, s.Params
	least, steps := int64(10), int64(5)
	switch kind {
	case "storm":
		steps = 3 // all at once is bad enough
	case "dup":
		steps = 9 // it stops nothing
	}
	pick := func(name string) int64 {
		drawn := (least + 10*draw.Int64N(steps)) * 10_000
		if given, err := share(p[name]); err == nil {
			return given
		}
		return drawn
	}
	last := func(name string, drawn time.Duration) time.Duration {
		if given, err := time.ParseDuration(p[name]); err == nil {
			return given
		}
		return drawn
	}
	all := world.Packets{Loss: pick("loss"), Dup: pick("dup"), Reorder: pick("reorder")}
	all.Delay = last("delay", 10*time.Millisecond<<draw.IntN(6))
	all.Jitter = last("jitter", time.Duration(draw.Int64N(int64(all.Delay)+1)))
	all.Behind = last("behind", 200*time.Millisecond<<draw.IntN(2))
	switch kind {
	case "delay":
		return world.Packets{Delay: all.Delay, Jitter: all.Jitter}
	case "loss":
		return world.Packets{Loss: all.Loss}
	case "dup":
		return world.Packets{Dup: all.Dup, Behind: all.Behind}
	case "reorder":
		return world.Packets{Reorder: all.Reorder, Behind: all.Behind}
	default:
		return all
	}
}

// restore takes from a record what Plan wrote down.
func (w *packet) restore(record history.Value) error {
	w.kind, w.nodes, w.links = record.Get("shape").Text(), nodeNumbers(record.Get("nodes")), linksNamed(record.Get("links"))
	var errs []error
	for name, to := range map[string]*time.Duration{"delay": &w.what.Delay, "jitter": &w.what.Jitter, "behind": &w.what.Behind} {
		d, err := time.ParseDuration(record.Get("packets").Get(name).Text())
		*to, errs = d, append(errs, err)
	}
	for name, to := range map[string]*int64{"loss": &w.what.Loss, "dup": &w.what.Dup, "reorder": &w.what.Reorder} {
		n, ok := record.Get("packets").Get(name).Int()
		*to = n
		if !ok {
			errs = append(errs, errors.New("no "+name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return errors.New("the recorded choice does not say what became of packets: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

func (w *packet) Nodes() []int { return w.nodes }

// Plan says the shares as counts in a million, as the world takes them.
func (w *packet) Plan() []history.Value {
	p := w.what
	return []history.Value{
		str("shape"), str(w.kind),
		str("links"), linkNames(w.links),
		str("packets"), history.Map(
			str("delay"), str(p.Delay.String()), str("jitter"), str(p.Jitter.String()),
			str("loss"), history.Int(p.Loss), str("dup"), history.Int(p.Dup),
			str("reorder"), history.Int(p.Reorder), str("behind"), str(p.Behind.String())),
	}
}

func (w *packet) Inject(ctl world.Control) error { return ctl.Shape(w.links, w.what) }

func (w *packet) Heal(ctl world.Control) error { return ctl.Shape(nil, world.Packets{}) }

// Witness sends packets across the links that were shaped and, as a control
// group, across some that were not, and compares how they fared.
func (w *packet) Witness(ctl world.Control) (Finding, error) {
	return w.measure(ctl, func(seen []bool) bool { return !slices.Contains(seen, false) })
}

// Recheck does the same: nothing of what was asked for may be seen any more.
func (w *packet) Recheck(ctl world.Control) (Finding, error) {
	return w.measure(ctl, func(seen []bool) bool { return !slices.Contains(seen, true) })
}

// measure finds what it finds if what is seen, of all that was asked for, is
// as it should be. Links that are dead, because they are cut as well, tell
// nothing; if no link is left on either side, nobody can tell.
func (w *packet) measure(ctl world.Control, asExpected func(seen []bool) bool) (Finding, error) {
	passages, err := ctl.Measure(slices.Concat(w.links, w.control), w.train())
	if err != nil {
		return Finding{Witness: history.Inconclusive}, err
	}
	hit, dead := pool(passages[:len(w.links)])
	control, _ := pool(passages[len(w.links):])
	f := found(asExpected(w.seen(hit, control)),
		str("hit"), describe(hit), str("control"), describe(control), str("dead"), history.Int(int64(dead)))
	if hit.Arrived == 0 || control.Arrived == 0 {
		f.Witness = history.Inconclusive
	}
	return f, nil
}

// enough is how many packets of a train should be hit by the rarest of what was
// asked for: then a third of them is far outside of what chance does.
const enough = 100

// train is long enough for the shares that were asked for to be seen, and for
// packets that are held back to be overtaken.
func (w *packet) train() world.Train {
	packets := 30
	for _, ppm := range []int64{w.what.Loss, w.what.Dup, w.what.Reorder} {
		if ppm > 0 {
			packets = max(packets, int(enough*1_000_000/ppm)/len(w.links)+1)
		}
	}
	over := time.Duration(packets) * 500 * time.Microsecond
	if w.what.Reorder > 0 {
		over = max(over, w.what.Behind+w.what.Behind/2)
	}
	return world.Train{Packets: packets, Over: over, Wait: w.what.Delay + w.what.Jitter + w.what.Behind}
}

// seen tells of each thing that was asked for whether it is there: whether at
// least a third of it is seen, beyond what happens where nobody did anything.
func (w *packet) seen(hit, control world.Passage) []bool {
	var seen []bool
	if d := w.what.Delay; d > 0 {
		seen = append(seen, hit.Delay-control.Delay >= d/3)
	}
	for _, asked := range []struct {
		ppm int64
		of  func(p world.Passage) (part, whole int)
	}{
		{w.what.Loss, func(p world.Passage) (int, int) { return p.Sent - p.Arrived, p.Sent }},
		{w.what.Dup, func(p world.Passage) (int, int) { return p.Twice, p.Arrived }},
		{w.what.Reorder, func(p world.Passage) (int, int) { return p.Overtaken, p.Arrived }},
	} {
		if asked.ppm > 0 {
			part, whole := asked.of(hit)
			usual, all := asked.of(control)
			more := int64(part)*1_000_000/int64(max(1, whole)) - int64(usual)*1_000_000/int64(max(1, all))
			seen = append(seen, more >= asked.ppm/3)
		}
	}
	return seen
}

// pool adds up what was seen on links that are not dead. The delay is the
// median of theirs.
func pool(passages []world.Passage) (all world.Passage, dead int) {
	var delays []time.Duration
	for _, p := range passages {
		if p.Arrived == 0 {
			dead++
			continue
		}
		all.Sent += p.Sent
		all.Arrived += p.Arrived
		all.Twice += p.Twice
		all.Overtaken += p.Overtaken
		delays = append(delays, p.Delay)
	}
	if slices.Sort(delays); len(delays) > 0 {
		all.Delay = delays[len(delays)/2]
	}
	return all, dead
}

func describe(p world.Passage) history.Value {
	return history.Map(
		str("sent"), history.Int(int64(p.Sent)), str("arrived"), history.Int(int64(p.Arrived)),
		str("twice"), history.Int(int64(p.Twice)), str("overtaken"), history.Int(int64(p.Overtaken)),
		str("delay"), str(p.Delay.String()))
}

// LookBack counts the target's own packets that fared otherwise on each link.
func (w *packet) LookBack(ctl world.Control) (Finding, error) {
	after, err := ctl.Shaped()
	if err != nil {
		return Finding{Witness: history.Inconclusive}, err
	}
	f := Finding{}
	f.Exercised, f.Evidence = countMet(w.links, w.before, after, "met")
	return f, nil
}
