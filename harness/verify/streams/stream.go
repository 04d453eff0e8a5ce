package streams

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isStream confirms a claim about a stream; see the package comment.
func isStream(c *claim.Claim) error {
	on, err := c.Flags("at-least-once")
	if err != nil {
		return err
	}
	return c.ByRules(func(ops []*claim.Op) (*claim.Ruling, error) {
		s := &streamed{Ruling: claim.NewRuling(), again: on["at-least-once"], published: map[string]*published{}}
		return s.Ruling, s.judge(ops)
	})
}

type published struct {
	producer string
	counter  int64
	acked    int // when it was acknowledged, if it was
	begun    int // when it was first published by what did not fail
	failed   bool
}

type streamed struct {
	*claim.Ruling
	again     bool
	published map[string]*published
	readers   []*streamReader
}

type streamReader struct {
	process history.Process
	node    string
	got     []string
	at      map[string]int
	end     int // when its last look at the end began
}

func (s *streamed) judge(ops []*claim.Op) error {
	for _, o := range ops {
		if o.Invoke.F != "publish" {
			continue
		}
		name, err := s.message(o.Invoke.Value)
		if err != nil {
			return err
		}
		p := s.published[name]
		if o.Failed() {
			p.failed = true
		} else {
			p.begun = min(p.begun, o.Inv)
		}
		if o.Happened() && p.acked == claim.Never {
			p.acked = o.Res
			p.begun = o.Inv
		}
	}
	for _, o := range ops {
		if o.Invoke.F == "fetch" && o.Happened() {
			if err := s.fetch(o); err != nil {
				return err
			}
		}
	}
	s.losses()
	s.orders()
	return nil
}

// message names a message and keeps what is known of it.
func (s *streamed) message(v history.Value) (string, error) {
	pair := v.Elems()
	if v.Kind() != history.KindList || len(pair) != 2 {
		return "", fmt.Errorf("%v is no message", v)
	}
	n, ok := pair[1].Int()
	if !ok {
		return "", fmt.Errorf("%v is no counter", pair[1])
	}
	name := claim.Identity(v)
	if s.published[name] == nil {
		s.published[name] = &published{claim.Identity(pair[0]), n, claim.Never, claim.Never, false}
	}
	return name, nil
}

func (s *streamed) fetch(o *claim.Op) error {
	s.Judged++
	i := slices.IndexFunc(s.readers, func(r *streamReader) bool { return r.process == o.Invoke.Process })
	if i < 0 {
		i = len(s.readers)
		s.readers = append(s.readers, &streamReader{process: o.Invoke.Process, node: o.Invoke.Node, at: map[string]int{}, end: -1})
	}
	r := s.readers[i]
	list, err := claim.Listed(o)
	if err != nil {
		return err
	}
	for _, v := range list {
		name, err := s.message(v)
		if err != nil {
			return err
		}
		switch p := s.published[name]; {
		case p.begun == claim.Never && p.failed:
			s.Note("aborted-read", o.Invoke.Node)
		case p.begun > o.Res:
			s.Note("unexpected", o.Invoke.Node)
		}
		if _, ok := r.at[name]; !ok {
			r.at[name] = len(r.got)
			r.got = append(r.got, name)
		} else if !s.again {
			s.Note("duplicate", r.node)
		}
	}
	if len(list) == 0 || o.Complete.Final {
		r.end = o.Inv
	}
	return nil
}

func (s *streamed) losses() {
	places := map[string][]*streamReader{}
	for _, r := range s.readers {
		places[""] = append(places[""], r)
		if r.node != "" {
			places[r.node] = append(places[r.node], r)
		}
	}
	for node, readers := range places {
		have, end := map[string]bool{}, -1
		first, last := map[string]int64{}, map[string]int64{} // by producer, the counters
		for _, r := range readers {
			end = max(end, r.end)
			for _, name := range r.got {
				have[name] = true
				p := s.published[name]
				if n, ok := first[p.producer]; !ok || p.counter < n {
					first[p.producer] = p.counter
				}
				if n, ok := last[p.producer]; !ok || p.counter > n {
					last[p.producer] = p.counter
				}
			}
		}
		for name, p := range s.published {
			later, ok := last[p.producer]
			switch {
			case have[name] || p.acked == claim.Never:
			case ok && later > p.counter && first[p.producer] < p.counter:
				s.Note("lost-middle", node)
			case ok && later > p.counter:
				s.Note("lost-prefix", node)
			case p.acked < end:
				s.Note("lost-postfix", node)
			}
		}
	}
}

func (s *streamed) orders() {
	var most *streamReader
	for _, r := range s.readers {
		if most == nil || len(r.got) > len(most.got) {
			most = r
		}
		last := map[string]int64{}
		for _, name := range r.got {
			p := s.published[name]
			if n, ok := last[p.producer]; ok && n > p.counter {
				s.Note("reorder", r.node)
			} else {
				last[p.producer] = p.counter
			}
		}
	}
	for _, r := range s.readers {
		if differ(most, r) || differ(r, most) {
			s.Note("diverged", "")
		}
	}
}

// differ reports whether b has messages of a in another order, or lacks one that is
// before one that it has.
func differ(a, b *streamReader) bool {
	before := -1
	for _, name := range b.got {
		i, ok := a.at[name]
		if ok && i < before {
			return true
		}
		if ok {
			before = i
		}
	}
	for i := range before + 1 {
		if _, ok := b.at[a.got[i]]; !ok {
			return true
		}
	}
	return false
}
