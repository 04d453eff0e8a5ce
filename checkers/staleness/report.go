package staleness

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
)

// Report has everything that was measured. Times are nanoseconds.
type Report struct {
	Reads       int   `json:"read-count"`
	Stale       int   `json:"stale-count"`       // something newer was certainly known
	Unexplained int   `json:"unexplained-count"` // left out: nobody can have written what they returned
	Delta       int64 `json:"delta"`             // of the worst key
	K           int   `json:"k"`                 // every read returned one of the last K versions, as far as is certain
	Age         Ages  `json:"age"`               // of all reads
	DuringFault Ages  `json:"during-faults"`     // of the reads during faults
	Calm        Ages  `json:"calm"`              // of the others

	Visibility []Visibility `json:"t-visibility"`
	Staleness  []Share      `json:"k-staleness"` // by how many versions
	Recovery   []Recovery   `json:"recovery"`
	WorstKeys  []Key        `json:"worst-keys"` // at most 8

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name

	calm, during []int64
}

// Ages are quantiles of how old what reads returned was.
type Ages struct {
	Reads int   `json:"read-count"`
	P50   int64 `json:"0.5"`
	P95   int64 `json:"0.95"`
	P99   int64 `json:"0.99"`
	P999  int64 `json:"0.999"`
	Max   int64 `json:"1"`
}

// Visibility is a point of the curve of t-visibility: of the reads that began at
// least From and less than To after the newest write before them was known, how many
// returned it or something newer.
type Visibility struct {
	From int64 `json:"from"`
	To   int64 `json:"to"` // 0: there is no end
	Share
}

// Share is how many reads out of some have a property, with the interval in which the
// true share is with a confidence of 95 %, by Wilson's method.
type Share struct {
	At    int     `json:"at,omitempty"`
	Reads int     `json:"read-count"`
	Count int     `json:"count"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Recovery is a time without faults after some: from when on, and when the last stale
// read of it began.
type Recovery struct {
	Healed int64 `json:"healed"`
	Until  int64 `json:"until"` // when the next fault began; 0 if none did
	Reads  int   `json:"read-count"`
	Stale  int   `json:"stale-count"`
	Took   int64 `json:"took"` // from Healed to the last stale read; 0 if there was none
}

// Key is how bad one key was.
type Key struct {
	Key   string `json:"key"`
	Delta int64  `json:"delta"`
	K     int    `json:"k"`
}

// Wilson returns the interval of a share of count out of n, with a confidence of 95 %.
func Wilson(count, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, m := float64(count)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}

func share(at, count, n int) Share {
	s := Share{At: at, Reads: n, Count: count}
	s.Low, s.High = Wilson(count, n)
	if n > 0 {
		s.Share = float64(count) / float64(n)
	}
	return s
}

func ages(list []int64) Ages {
	slices.Sort(list)
	return Ages{len(list), checkers.Quantile(list, .5), checkers.Quantile(list, .95), checkers.Quantile(list, .99), checkers.Quantile(list, .999), checkers.Quantile(list, 1)}
}

// steps are the times since a write at which visibility is given, in nanoseconds.
var steps = []int64{0, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9, 2e9, 5e9, 1e10}

// maxBehind is how many versions behind are told apart.
const maxBehind = 16

// summarise makes the report.
func (m *measurement) summarise() error {
	seen, fresh := make([]int, len(steps)), make([]int, len(steps))
	behind := make([]int, maxBehind+1)
	m.Recovery = m.calmTimes()
	for i, r := range m.keys {
		if err := m.stop(i); err != nil {
			return err
		}
		k := Key{Key: checkers.KeyName(r.key)}
		for _, d := range r.reads {
			m.count(&d)
			k.K = max(k.K, d.behind+1)
			behind[min(d.behind, maxBehind)]++
			if d.since >= 0 {
				s := sort.Search(len(steps), func(s int) bool { return steps[s] > d.since }) - 1
				seen[s]++
				if d.fresh {
					fresh[s]++
				}
			}
		}
		var err error
		if k.Delta, err = m.delta(r); err != nil {
			return err
		}
		m.Delta, m.K = max(m.Delta, k.Delta), max(m.K, k.K)
		m.WorstKeys = append(m.WorstKeys, k)
	}
	slices.SortStableFunc(m.WorstKeys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(b.Delta, a.Delta), cmp.Compare(b.K, a.K))
	})
	m.WorstKeys = m.WorstKeys[:min(len(m.WorstKeys), 8)]
	m.Age, m.Calm, m.DuringFault = ages(slices.Concat(m.calm, m.during)), ages(m.calm), ages(m.during)
	for i, from := range steps {
		if seen[i] > 0 {
			v := Visibility{From: from, Share: share(0, fresh[i], seen[i])}
			if i+1 < len(steps) {
				v.To = steps[i+1]
			}
			m.Visibility = append(m.Visibility, v)
		}
	}
	sum := 0
	for at, n := range behind {
		if sum += n; n > 0 {
			m.Staleness = append(m.Staleness, share(at, sum, m.Reads))
		}
	}
	return nil
}

// count counts one read.
func (m *measurement) count(d *read) {
	m.Reads++
	if d.age > 0 {
		m.Stale++
	}
	at := d.Invoke.Time
	if m.faulty(at) {
		m.during = append(m.during, d.age)
	} else {
		m.calm = append(m.calm, d.age)
	}
	n := sort.Search(len(m.Recovery), func(n int) bool { return m.Recovery[n].Healed > at }) - 1
	if n < 0 {
		return
	}
	r := &m.Recovery[n]
	if r.Until > 0 && at >= r.Until {
		return
	}
	r.Reads++
	if d.age > 0 {
		r.Stale++
		r.Took = max(r.Took, at-r.Healed)
	}
}

// faulty reports whether a fault was in force at some time.
func (m *measurement) faulty(at int64) bool {
	for _, w := range m.windows {
		if at >= w.Start && (w.Healed == 0 || at < w.Healed) {
			return true
		}
	}
	return false
}

// calmTimes returns the times without faults that follow one.
func (m *measurement) calmTimes() []Recovery {
	list := []Recovery{}
	for _, w := range m.windows {
		if w.Healed == 0 || m.faulty(w.Healed) {
			continue
		}
		r := Recovery{Healed: w.Healed}
		for _, next := range m.windows {
			if next.Start > w.Healed && (r.Until == 0 || next.Start < r.Until) {
				r.Until = next.Start
			}
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Recovery) int { return cmp.Compare(a.Healed, b.Healed) })
	return slices.Compact(list)
}

// delta returns the least time by which the reads of a register have to be shifted
// back so that it is atomic. With each half of what is left it is tried again.
func (m *measurement) delta(r *register) (int64, error) {
	zones := r.zones()
	if atomic(zones, 0) {
		return 0, nil
	}
	low, high := int64(0), int64(0) // too little; enough
	for _, d := range r.reads {
		high = max(high, d.Invoke.Time+1)
	}
	for high-low > 1 {
		if err := m.stop(0); err != nil {
			return 0, err
		}
		if middle := low + (high-low)/2; atomic(zones, middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}

// zone is a version with its reads: the earliest end of any of these operations, the
// beginning of the write, and the latest beginning of a read.
type zone struct{ end, write, read int64 }

// zones returns those of a register, in the order of their ends.
func (r *register) zones() []zone {
	zones := make([]zone, len(r.versions))
	for i, v := range r.versions {
		zones[i] = zone{end: v.known, write: v.began, read: always}
		if i == 0 {
			zones[i] = zone{end: always, write: always, read: always}
		}
	}
	for _, d := range r.reads {
		z := &zones[d.version]
		z.read = max(z.read, d.Invoke.Time)
	}
	zones = slices.DeleteFunc(zones, func(z zone) bool { return z.end == never })
	slices.SortFunc(zones, func(a, b zone) int { return cmp.Compare(a.end, b.end) })
	return zones
}

// start returns the latest beginning, with reads shifted back.
func (z zone) start(shift int64) int64 {
	if z.read == always {
		return z.write
	}
	return max(z.write, z.read-shift)
}

// atomic reports whether there are no two versions of which each has to be before the
// other, because an operation on it ended before one on the other began. Zones are
// forward if the earliest end is before the latest beginning: no two of these may
// overlap, and none may have another zone inside.
func atomic(zones []zone, shift int64) bool {
	var forward []zone
	for _, z := range zones {
		if z.end >= z.start(shift) {
			continue
		}
		if n := len(forward); n > 0 && z.end < forward[n-1].start(shift) {
			return false
		}
		forward = append(forward, z)
	}
	for _, z := range zones {
		start := z.start(shift)
		if z.end < start {
			continue
		}
		n := sort.Search(len(forward), func(n int) bool { return forward[n].end >= start }) - 1
		if n >= 0 && z.end < forward[n].start(shift) {
			return false
		}
	}
	return true
}
