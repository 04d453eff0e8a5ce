package work

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// machine is the replicated state: every node applies the same commands in the
// same order, and holds the same. It knows no time. That a lease is over is a
// command like any other.
type machine struct {
	cfg    Config
	ids    uint64 // messages so far
	tokens uint64 // leases so far
	lines  map[string]*line
	leases map[uint64]*lease

	given   []grant  // what the last command handed out or extended
	queued  Command  // what would end the wait that the last command began, if it began one
	happens []string // facts that the last command brought about
	digest  string   // of the state, "" if nobody asked since it changed
}

// message is a message of which nobody said that it is done.
type message struct {
	id    uint64 // greater is later
	body  string
	tries uint64 // how often it was handed out
}

// line is one queue.
type line struct {
	fifo    bool
	ready   []message // the first is handed out next
	flying  int       // how many are leased
	waiting []Consumer
}

// lease is a message that was handed out and is not done.
type lease struct {
	queue    string
	msg      message
	consumer Consumer // who was waiting for it, zero if nobody was
	extended uint64   // how often
}

// grant is a message that was handed out, or a lease that was extended.
type grant struct {
	token    uint64 // 0 if it was handed out for good
	consumer Consumer
	body     string
}

func newMachine(cfg Config) *machine {
	return &machine{cfg: cfg, lines: map[string]*line{}, leases: map[uint64]*lease{}}
}

// Apply does a command.
func (m *machine) Apply(_ uint64, cmd []byte) []byte {
	m.given, m.happens, m.queued, m.digest = m.given[:0], m.happens[:0], Command{}, ""
	c, err := ParseCommand(cmd)
	if err != nil {
		panic("work: a command that no node can have submitted was committed: " + err.Error())
	}
	return m.do(c).AppendTo(nil)
}

func (m *machine) do(c Command) Answer {
	if m.cfg.Bugs[W2] && (c.Op == Ack || c.Op == Nack || c.Op == Extend) {
		c.Token = m.current(c)
	}
	switch c.Op {
	case Enqueue:
		m.ids++
		m.ready(c.Queue, message{id: m.ids, body: c.Message}, true)
		return Answer{Result: Done}
	case Receive:
		return m.receive(c)
	case Ack:
		return m.ack(c)
	case Nack:
		return m.nack(c)
	case Extend:
		return m.extend(c)
	case Expire:
		return m.expire(c)
	default:
		return m.cancel(c)
	}
}

// line returns a queue, which there is from the moment at which it is named.
func (m *machine) line(name string) *line {
	l := m.lines[name]
	if l == nil {
		l = &line{fifo: m.cfg.FIFO && !strings.HasSuffix(name, DeadLetters)}
		m.lines[name] = l
	}
	return l
}

// ready makes a message wait to be handed out: a new one at the end, one that
// comes back where it was under order=fifo and at the end otherwise.
func (m *machine) ready(queue string, msg message, fresh bool) {
	l := m.line(queue)
	at := len(l.ready)
	if !fresh && l.fifo && !m.cfg.Bugs[W10] {
		at, _ = slices.BinarySearchFunc(l.ready, msg.id, func(x message, id uint64) int { return int(int64(x.id - id)) })
	}
	l.ready = slices.Insert(l.ready, at, msg)
	m.match(queue, l)
}

// match gives messages to those who wait for them.
func (m *machine) match(queue string, l *line) {
	for len(l.waiting) > 0 && m.some(l) {
		c := l.waiting[0]
		l.waiting = l.waiting[1:]
		m.happens = append(m.happens, factPush)
		m.hand(queue, l, c)
	}
}

// empty reports whether there is nothing to hand out.
func (m *machine) empty(queue string) bool {
	l := m.lines[queue]
	return l == nil || !m.some(l)
}

// some reports whether there is a message to hand out. Under order=fifo nothing
// overtakes what is leased: it may come back.
func (m *machine) some(l *line) bool { return len(l.ready) > 0 && (!l.fifo || l.flying == 0) }

// hand hands out the first message: for good, or under a lease.
func (m *machine) hand(queue string, l *line, to Consumer) Answer {
	msg := l.ready[0]
	l.ready = l.ready[1:]
	if m.cfg.AtMostOnce {
		m.given = append(m.given, grant{consumer: to, body: msg.body})
		return Answer{Result: Delivered, Message: msg.body}
	}
	if msg.tries++; msg.tries > 1 {
		m.happens = append(m.happens, factAgain)
	}
	m.tokens++
	l.flying++
	m.leases[m.tokens] = &lease{queue: queue, msg: msg, consumer: to}
	m.given = append(m.given, grant{token: m.tokens, consumer: to, body: msg.body})
	return m.leased(m.tokens, msg)
}

func (m *machine) leased(token uint64, msg message) Answer {
	return Answer{Result: Delivered, Message: msg.body, Token: token, Visibility: uint64(m.cfg.Visibility)}
}

// receive hands out the next message, or lets the consumer wait for it.
func (m *machine) receive(c Command) Answer {
	l := m.line(c.Queue)
	switch {
	case m.some(l) && len(l.waiting) == 0:
		return m.hand(c.Queue, l, c.Consumer)
	case c.Consumer == Consumer{}:
		return Answer{Result: Empty}
	default:
		l.waiting = append(l.waiting, c.Consumer)
		m.queued = Command{Op: Cancel, Queue: c.Queue, Consumer: c.Consumer}
		return Answer{Result: Waiting}
	}
}

// held returns the lease that a receipt is about, and nil if it is over: the
// message may belong to somebody else by now.
func (m *machine) held(c Command) *lease {
	l := m.leases[c.Token]
	if l == nil || !l.about(c) && !m.cfg.Bugs[W17] {
		return nil
	}
	return l
}

// about reports whether a command names the message of a lease, dead letter or not.
func (l *lease) about(c Command) bool {
	return l.msg.body == c.Message && strings.TrimSuffix(l.queue, DeadLetters) == c.Queue
}

// current returns the token of the lease that a message is under now, if it is
// under any, which is all that bug W2 looks at.
func (m *machine) current(c Command) uint64 {
	for _, token := range m.tokensHeld() {
		if m.leases[token].about(c) {
			return token
		}
	}
	return c.Token
}

// end takes a lease away and returns the queue that it was of.
func (m *machine) end(token uint64) *line {
	l := m.line(m.leases[token].queue)
	l.flying--
	delete(m.leases, token)
	return l
}

func (m *machine) ack(c Command) Answer {
	l := m.held(c)
	if l == nil {
		return m.stale()
	}
	m.match(l.queue, m.end(c.Token))
	return Answer{Result: Done}
}

func (m *machine) stale() Answer {
	m.happens = append(m.happens, factStale)
	return Answer{Result: Stale}
}

func (m *machine) nack(c Command) Answer {
	if m.held(c) == nil {
		return m.stale()
	}
	if m.cfg.Bugs[W3] {
		return m.ack(c)
	}
	if !m.cfg.Bugs[W18] {
		m.back(c.Token)
	}
	return Answer{Result: Done}
}

// extend begins the time of a lease anew.
func (m *machine) extend(c Command) Answer {
	l := m.held(c)
	if l == nil {
		return m.stale()
	}
	if !m.cfg.Bugs[W11] {
		l.extended++
	}
	m.given = append(m.given, grant{token: c.Token})
	return m.leased(c.Token, l.msg)
}

// expire ends a lease whose time was over when the leader submitted that. If it
// was extended since, it goes on.
func (m *machine) expire(c Command) Answer {
	if !m.lasts(c) {
		return Answer{Result: Stale}
	}
	m.happens = append(m.happens, factExpired)
	m.back(c.Token)
	return Answer{Result: Done}
}

// back ends a lease whose message is not done: it waits again, or is a dead
// letter if it was handed out often enough.
func (m *machine) back(token uint64) {
	queue, msg := m.leases[token].queue, m.leases[token].msg
	l := m.end(token)
	most := m.cfg.MaxDeliveries
	if m.cfg.Bugs[W16] {
		most--
	}
	if m.cfg.MaxDeliveries == 0 || msg.tries < most || strings.HasSuffix(queue, DeadLetters) {
		m.ready(queue, msg, false)
		return
	}
	m.happens = append(m.happens, factDead)
	if !m.cfg.Bugs[W8] {
		m.ready(queue+DeadLetters, msg, true)
	}
	m.match(queue, l)
}

// expiry returns the command that ends a lease, unless it is extended before.
func (m *machine) expiry(token uint64) Command {
	return Command{Op: Expire, Token: token, Extended: m.leases[token].extended}
}

// lasts reports whether there is something to end by an expiry.
func (m *machine) lasts(expiry Command) bool {
	l := m.leases[expiry.Token]
	return l != nil && l.extended == expiry.Extended
}

// waits reports whether there is something to end by a cancel.
func (m *machine) waits(cancel Command) bool {
	l := m.lines[cancel.Queue]
	return l != nil && slices.Contains(l.waiting, cancel.Consumer)
}

// waiters returns what would end the waits of all consumers.
func (m *machine) waiters() []Command {
	var all []Command
	for _, name := range slices.Sorted(maps.Keys(m.lines)) {
		for _, c := range m.lines[name].waiting {
			all = append(all, Command{Op: Cancel, Queue: name, Consumer: c})
		}
	}
	return all
}

// granted returns what a consumer is told that was given something.
func (m *machine) granted(g grant) Answer {
	if g.token == 0 {
		return Answer{Result: Delivered, Message: g.body}
	}
	return m.leased(g.token, m.leases[g.token].msg)
}

// cancel ends the wait of a consumer. Had it been given a message before, and
// not heard of it, it hears of it now.
func (m *machine) cancel(c Command) Answer {
	l := m.line(c.Queue)
	if i := slices.Index(l.waiting, c.Consumer); i >= 0 {
		if !m.cfg.Bugs[W13] {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
		return Answer{Result: Empty}
	}
	for _, token := range m.tokensHeld() {
		if held := m.leases[token]; held.consumer == c.Consumer {
			return m.leased(token, held.msg)
		}
	}
	return Answer{Result: Gone}
}

// tokensHeld returns the tokens of all leases, sorted.
func (m *machine) tokensHeld() []uint64 { return slices.Sorted(maps.Keys(m.leases)) }

// Read is not used: whatever clients ask for changes something.
func (m *machine) Read([]byte) []byte { return nil }

// Digest returns a short text that equal states have in common.
func (m *machine) Digest() string {
	if m.digest == "" {
		h := fnv.New64a()
		h.Write(m.Encode())
		m.digest = hex.EncodeToString(h.Sum(nil))
	}
	return m.digest
}

// Encode writes the state as bytes, the same for the same state.
func (m *machine) Encode() []byte {
	b := wire.AppendUvarints(nil, m.ids, m.tokens, uint64(len(m.lines)))
	for _, name := range slices.Sorted(maps.Keys(m.lines)) {
		b = m.lines[name].appendTo(wire.AppendString(b, name))
	}
	b = wire.AppendUvarints(b, uint64(len(m.leases)))
	for _, token := range m.tokensHeld() {
		l := m.leases[token]
		b = l.msg.appendTo(wire.AppendString(wire.AppendUvarints(b, token), l.queue))
		b = wire.AppendUvarints(b, l.consumer.Client, l.consumer.Seq, l.extended)
	}
	return b
}

func (l *line) appendTo(b []byte) []byte {
	b = wire.AppendUvarints(b, uint64(len(l.ready)))
	for _, msg := range l.ready {
		b = msg.appendTo(b)
	}
	b = wire.AppendUvarints(b, uint64(len(l.waiting)))
	for _, c := range l.waiting {
		b = wire.AppendUvarints(b, c.Client, c.Seq)
	}
	return b
}

func (msg message) appendTo(b []byte) []byte {
	return wire.AppendString(wire.AppendUvarints(b, msg.id, msg.tries), msg.body)
}

func (m *machine) readMessage(d *wire.Decoder) message {
	msg := message{id: d.Uvarint(), tries: d.Uvarint(), body: d.String()}
	if m.cfg.Bugs[W15] {
		msg.tries = 0
	}
	return msg
}

// Restore replaces the state by what Encode wrote.
func (m *machine) Restore(b []byte) error {
	d := wire.NewDecoder(b)
	r := newMachine(m.cfg)
	r.ids, r.tokens = d.Uvarint(), d.Uvarint()
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		l := r.line(d.String())
		for k := d.Uvarint(); k > 0 && d.Err() == nil; k-- {
			l.ready = append(l.ready, r.readMessage(d))
		}
		for k := d.Uvarint(); k > 0 && d.Err() == nil; k-- {
			l.waiting = append(l.waiting, Consumer{Client: d.Uvarint(), Seq: d.Uvarint()})
		}
	}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		token, queue := d.Uvarint(), d.String()
		l := &lease{queue: queue, msg: r.readMessage(d), consumer: Consumer{Client: d.Uvarint(), Seq: d.Uvarint()}, extended: d.Uvarint()}
		if m.cfg.Bugs[W4] {
			r.ready(queue, l.msg, false)
			continue
		}
		r.leases[token] = l
		r.line(queue).flying++
	}
	if err := d.Done(); err != nil {
		return fmt.Errorf("the state of the queues cannot be read: %w", err)
	}
	*m = *r
	return nil
}
