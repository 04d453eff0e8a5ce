package cli

import (
	"context"
	"fmt"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// units of memory, the longest names first.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

// leastMemory is what the program needs to do anything at all.
const leastMemory = 32 << 20

// parseBytes reads an amount of memory, as in "4GiB" or "500MB".
func parseBytes(s string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		switch {
		case err != nil || n < 0 || n*float64(u.bytes) > 1<<60:
			return 0, fmt.Errorf("%q is no amount of memory: want one like 4GiB or 500MB", s)
		case n*float64(u.bytes) < leastMemory:
			return 0, fmt.Errorf("%s is too little: at least %d MiB are needed", s, leastMemory>>20)
		}
		return int64(n * float64(u.bytes)), nil
	}
	panic("the last unit fits everything")
}

// lookEvery is how often the memory in use is looked at.
const lookEvery = 20 * time.Millisecond

// withMemory returns a context that ends when the objects in use take more than
// the given memory.
func withMemory(ctx context.Context, memory int64) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if used() > memory {
					cancel(fmt.Errorf("it ran out of its memory of %d MiB (--memory)", memory>>20))
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// used returns the bytes of objects on the heap, those included that the
// collector has not yet found to be dead; it is made to look for them before
// the limit, because debug.SetMemoryLimit has the same.
func used() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
