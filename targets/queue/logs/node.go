package logs

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/journal"
	"github.com/ordeal-dev/ordeal/targets/kit/mux"
	"github.com/ordeal-dev/ordeal/targets/kit/peers"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// node is a node of the log: a replica of the metadata, and replicas of some
// partitions.
type node struct {
	env  actor.Env // of the partitions; the metadata have their own
	cfg  *Config
	self actor.NodeID
	life uint64 // of this start of the node
	mux  *mux.Mux

	meta  *metadata
	group *replog.Group
	news  bool // the metadata have changed since they were looked at

	timers  timers.Timers[*node]
	peers   *peers.Peers
	journal *journal.Journal
	ready   bool // what was on the disk is known
	failed  bool // the disk failed: only a restart helps

	held   []*replica // by partition; nil where the node is no replica
	calls  map[uint64]*call
	asks   map[uint64]*ask
	tags   uint64
	patrol patrol
}

// New boots a node.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{env: env, cfg: &cfg, self: env.Self(), mux: mux.New(env), calls: map[uint64]*call{}, asks: map[uint64]*ask{}}
	n.life = env.Choices("life").Uint64()>>1 + 1
	n.tags = env.Choices("tag").Uint64() >> 1
	n.meta = newMetadata(n.cfg, env.Nodes())
	n.patrol.seen = map[string]int64{}
	for p := range cfg.partitions() {
		n.held = append(n.held, nil)
		if slices.Contains(n.meta.parts[p].replicas, n.self) {
			n.held[p] = newReplica(p)
		}
	}
	n.mux.Part('p', "log-", func(env actor.Env) mux.Component {
		n.env = env
		n.peers = peers.New(env)
		n.open()
		return partitions{n}
	})
	n.mux.Part('m', "meta-", func(env actor.Env) mux.Component {
		n.group = replog.New(env, replog.Config{
			Name: "metadata", SnapshotEvery: uint64(cfg.SnapshotEvery), Sessions: cfg.Sessions,
			Applied: n.applied,
		}, n.meta)
		return n.group
	})
	return n
}

// applied looks at what a command has done to the metadata.
func (n *node) applied(uint64, []byte) {
	if n.meta.met != "" && n.group.Leading() {
		actor.Sometimes(n.env, n.meta.met)
	}
	n.nudge()
}

// partitions is the component of a node that the metadata are not.
type partitions struct{ n *node }

// Receive takes a message of the partitions.
func (p partitions) Receive(from actor.NodeID, msg []byte) { p.n.receive(from, msg) }

// Wake rings what is due.
func (p partitions) Wake() {
	for p.n.timers.Ring(p.n, p.n.env.Mono()) {
	}
}

// Receive implements [actor.Node].
func (n *node) Receive(from actor.NodeID, msg []byte) {
	n.mux.Receive(from, msg)
	n.settle()
}

// Wake implements [actor.Node].
func (n *node) Wake() {
	n.mux.Wake()
	n.settle()
}

// Serve implements [actor.Node].
func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil || len(r.Body) == 0 {
		n.answer(id, request.BadRequest, nil)
		return
	}
	switch r.Body[0] {
	case reqSend:
		n.serveSend(id, r.Body[1:])
	case reqPoll:
		n.servePoll(id, r.Body[1:])
	case cmdJoin, cmdSync:
		n.sawMember(r.Body[1:])
		n.group.Serve(id, r)
	case cmdInit, cmdBegin, cmdEnd, cmdCommit:
		n.group.Serve(id, r)
	default:
		n.answer(id, request.BadRequest, nil)
	}
	n.settle()
}

func (n *node) answer(id actor.RequestID, code request.Code, body []byte) {
	n.env.Reply(id, request.Answer(code, body))
}

// receive takes a message of the partitions.
func (n *node) receive(from actor.NodeID, msg []byte) {
	if !n.ready || n.failed || len(msg) == 0 {
		return
	}
	n.peers.Heard(from)
	d := wire.NewDecoder(msg[1:])
	switch msg[0] {
	case msgBeat:
		n.peers.Told(from, d.Byte() == 1)
	case msgFetch:
		if m := readFetch(d); d.Done() == nil {
			n.fetchFrom(from, m)
		}
	case msgFetched:
		if m := readFetched(d); d.Done() == nil {
			n.fetched(from, m)
		}
	case msgSend:
		if m := readSend(d); d.Done() == nil {
			n.sendFrom(from, m)
		}
	case msgSent:
		if m := readSent(d); d.Done() == nil {
			n.sent(m)
		}
	case msgPoll:
		if m := readPoll(d); d.Done() == nil {
			n.pollFrom(from, m)
		}
	case msgPolled:
		if m := readPolled(d); d.Done() == nil {
			n.polled(m)
		}
	}
}

// settle ends every call: it looks at what is new in the metadata, starts what is
// to be written, and asks to be woken for what comes first.
func (n *node) settle() {
	if n.failed {
		return
	}
	if n.news && n.ready {
		n.news = false
		n.reconcile()
	}
	if !n.cfg.Bugs[Q3] || n.env.Mono() >= n.patrol.flush {
		n.journal.Flush()
		n.patrol.flush = n.env.Mono() + 1000*ms
	}
	n.timers.Arm(n.env)
}

// fail takes the node out of service after an error of its disk: it does not know
// any more what is stored, and only a restart will tell.
func (n *node) fail(err error) {
	if n.failed {
		return
	}
	n.failed, n.ready = true, false
	n.env.Logf("out of service until it is restarted: the disk failed: %v", err)
}

// Status implements [actor.Node]. Besides the hash of every partition that the
// node holds, the digests say whether something is still under way, which agrees
// with no other node.
func (n *node) Status() actor.Status {
	s := n.group.Status()
	s.Ready = s.Ready && n.ready && n.registered()
	if !n.ready || s.Digests == nil {
		return s
	}
	digests := map[string]string{"metadata": n.meta.Digest(), "under-way": "nothing"}
	for p, l := range n.held {
		if l != nil {
			digests[n.cfg.PartitionName(p)] = fmt.Sprintf("%d-%d-%016x", l.next, l.lastEpoch(), n.sum(l))
		}
	}
	if n.busy() {
		digests["under-way"] = n.self.String()
	}
	s.Digests = digests
	return s
}

// registered reports whether the metadata know that this life of the node is
// alive.
func (n *node) registered() bool { return n.meta.brokers[n.self] == broker{n.life, true} }

// busy reports whether something is to be done before the partitions rest.
func (n *node) busy() bool {
	if len(n.meta.ended) > 0 {
		return true
	}
	for i := range n.meta.producers {
		if n.meta.producers[i].open {
			return true
		}
	}
	for p, l := range n.held {
		if l != nil && l.leading && (l.high < l.next || len(n.meta.parts[p].isr) < len(n.meta.parts[p].replicas)) {
			return true
		}
	}
	return false
}

// sum returns a hash of a log. Where every replica cleans its log when it likes,
// there is none on which they agree.
func (n *node) sum(l *replica) uint64 {
	if n.cfg.Retention > 0 || n.cfg.Compaction {
		return 0
	}
	return l.tail
}
