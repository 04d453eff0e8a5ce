package logs

import "slices"

// clean drops what the settings say is not to be kept. Every replica does so by
// itself, of what is below its last stable offset; what it drops is gone from its
// disk once the journal is written anew. clean reports whether there was anything.
func (l *replica) clean(cfg *Config) bool {
	end, before := l.stable(l.high), len(l.records)
	if cfg.Retention > 0 {
		l.retain(cfg.Retention, end)
	}
	if cfg.Compaction {
		l.compact(end)
	}
	return len(l.records) < before
}

// retain keeps the newest messages that consumers may see, and all that is after the
// first of them. What is not committed does not count, and neither do markers.
func (l *replica) retain(most int, end int64) {
	drop := l.at(end)
	for kept := 0; drop > 0 && kept < most; drop-- {
		if l.visible(&l.records[drop-1]) {
			kept++
		}
	}
	if drop <= most/10 {
		return
	}
	l.size -= sizeOf(l.records[:drop])
	l.records = slices.Clone(l.records[drop:])
	l.first = end
	if len(l.records) > 0 {
		l.first = l.records[0].offset
	}
}

// compact keeps the last message of each key, and what producers are known by:
// their last messages, and markers.
func (l *replica) compact(end int64) {
	below := l.at(end)
	if below < 2*l.compacted+compactMin {
		return
	}
	last := map[string]int64{}
	for i := range below {
		if r := &l.records[i]; r.key != "" && l.visible(r) {
			last[r.key] = r.offset
		}
	}
	kept := make([]record, 0, len(l.records)/2)
	for i := range l.records {
		r := &l.records[i]
		superseded := i < below && !r.marker() && r.key != "" && r.offset < last[r.key]
		if !superseded || r.txn.id != 0 && l.writers[r.txn.id].offset == r.offset {
			kept = append(kept, *r)
		}
	}
	l.compacted = len(kept) - (len(l.records) - below)
	l.records, l.size = kept, sizeOf(kept)
}

// compactMin is how many records there have to be besides twice those that were
// left the last time.
const compactMin = 100
