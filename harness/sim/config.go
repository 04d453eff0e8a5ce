package sim

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
)

// Config shapes the simulated machines. The zero Config is a healthy cluster
// in one building: no packet is lost, disks are solid state, clocks are kept
// by NTP. Fields left zero take their defaults.
type Config struct {
	Net  Net  `json:"net"`
	Disk Disk `json:"disk"`
	// Skew bounds how far the wall clock of a node is off from the start, in
	// either direction. Default 2 ms.
	Skew time.Duration `json:"skew,omitempty"`

	// Observe is called with every event before it takes effect. It makes
	// the run several times slower. It must not keep Bytes.
	Observe func(Occurrence) `json:"-"`
	// Tamper replaces the bytes that are delivered by the event with the given
	// index. It is there to test that nothing delivered escapes the digest.
	Tamper func(index uint64, body []byte) []byte `json:"-"`
}

// Net says how packets travel. Latencies are drawn independently for each
// packet, so packets of one link overtake each other even without Delay.
type Net struct {
	// Link is the way between two nodes. Default 400 µs and 300 µs.
	Link Latency `json:"link"`
	// Local is the way between a client and its own node. Default 60 µs and 40 µs.
	Local Latency `json:"local"`
	// Loss, Dup and Delay count the messages in a million that are lost, arrive
	// twice, and take up to DelayBy longer (default 20 ms). Default none.
	// Clients talk over TCP: what is lost there comes 200 ms later, and
	// nothing comes twice.
	Loss    int64         `json:"loss,omitempty"`
	Dup     int64         `json:"dup,omitempty"`
	Delay   int64         `json:"delay,omitempty"`
	DelayBy time.Duration `json:"delayBy,omitempty"`
	// Buffer is how many bytes of each sender wait at a paused node before
	// more are dropped. Default 256 KiB.
	Buffer int `json:"buffer,omitempty"`
}

// Disk says how long operations of a disk take. A disk does one at a time.
type Disk struct {
	Append Latency `json:"append"` // default 15 µs and 10 µs
	Sync   Latency `json:"sync"`   // of files and directories, default 250 µs and 150 µs
	Other  Latency `json:"other"`  // default 30 µs and 20 µs
}

// Latency is a distribution of times that needs no floating point: Base, plus
// a tail that exceeds Half, 2·Half, 3·Half with probability 1/2, 1/4, 1/8. The
// mean is Base + 1.5·Half, and nothing takes longer than Base + 13·Half.
type Latency struct {
	Base time.Duration `json:"base"`
	Half time.Duration `json:"half"`
}

const longestTail = 12

func (l Latency) draw(s *choice.Stream) int64 {
	u := s.Uint64()
	halves := int64(min(bits.LeadingZeros64(u), longestTail))
	part := int64(l.Half) * int64(u&0xffff) >> 16
	return int64(l.Base) + int64(l.Half)*halves + part
}

// or returns l, or its default if nobody set it.
func (l Latency) or(base, half time.Duration) Latency {
	if l == (Latency{}) {
		return Latency{base, half}
	}
	return l
}

// withDefaults fills what was left zero, and says what is out of range.
func (cfg Config) withDefaults() (Config, error) {
	n, d := &cfg.Net, &cfg.Disk
	n.Link = n.Link.or(400*time.Microsecond, 300*time.Microsecond)
	n.Local = n.Local.or(60*time.Microsecond, 40*time.Microsecond)
	d.Append = d.Append.or(15*time.Microsecond, 10*time.Microsecond)
	d.Sync = d.Sync.or(250*time.Microsecond, 150*time.Microsecond)
	d.Other = d.Other.or(30*time.Microsecond, 20*time.Microsecond)
	if n.DelayBy == 0 {
		n.DelayBy = 20 * time.Millisecond
	}
	if n.Buffer == 0 {
		n.Buffer = 256 << 10
	}
	if cfg.Skew == 0 {
		cfg.Skew = 2 * time.Millisecond
	}
	for _, l := range []Latency{n.Link, n.Local, d.Append, d.Sync, d.Other} {
		if l.Base < 0 || l.Half < 0 {
			return cfg, fmt.Errorf("sim: latency %v + %v is negative: give times of 0 or more", l.Base, l.Half)
		}
	}
	for _, ppm := range []int64{n.Loss, n.Dup, n.Delay} {
		if ppm < 0 || ppm > million {
			return cfg, fmt.Errorf("sim: loss, dup and delay are counts in a million, not %d", ppm)
		}
	}
	if n.DelayBy < 0 || n.Buffer < 0 || cfg.Skew < 0 {
		return cfg, fmt.Errorf("sim: delayBy, buffer and skew must not be negative")
	}
	return cfg, nil
}

const million = 1_000_000
