package choice_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"pgregory.net/rapid"
)

func ExampleSource_Stream() {
	src := choice.New(1)
	latency := src.Stream("latency", 0, 1) // of the link from node 0 to node 1
	key := src.Stream("key", 7)            // of client 7

	fmt.Println(latency.Between(100, 200), choice.Pick(key, []string{"a", "b", "c"}))

	// Whatever others draw, client 7 goes on as it would have.
	latency.Perm(1000)
	fmt.Println(key.IntN(100))

	again := src.Stream("key", 7)
	fmt.Println(choice.Pick(again, []string{"a", "b", "c"}), again.IntN(100))
	// Output:
	// 195 a
	// 73
	// a 73
}

// The first numbers of some streams. If this fails, the algorithm has changed,
// and no seed that anybody has written down means what it meant.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, g := range []struct {
		seed  uint64
		label string
		ids   []uint64
		want  [3]uint64
	}{
		{0, "", nil, [3]uint64{0x568a9b0b1a2c05ec, 0x44e5b8b147ef718b, 0x458563ab55521133}},
		{1, "latency", []uint64{0, 1}, [3]uint64{0xf3352af5bb484a63, 0x81b8139291981f5a, 0x8e0a01191f9f97cb}},
		{1, "latency", []uint64{1, 0}, [3]uint64{0x1035f64a8b298434, 0x5a53c690deba4382, 0x299902142fb34b75}},
		{1, "latenc", []uint64{0, 1}, [3]uint64{0x2da8ffe3a240aae8, 0xca750ea99d18a675, 0x3f59afd100596e1e}},
		{2, "latency", []uint64{0, 1}, [3]uint64{0xceb8ed77b14cf00c, 0xfc49a32d4fd4ddba, 0x4d0034e72fe704b3}},
		{1<<64 - 1, "key", []uint64{7}, [3]uint64{0xc89c0047caa45617, 0xe7052b8434f6e1fa, 0x6aa8dc86ee4c064b}},
	} {
		s := choice.New(g.seed).Stream(g.label, g.ids...)
		if got := [3]uint64{s.Uint64(), s.Uint64(), s.Uint64()}; got != g.want {
			t.Errorf("seed %d, %q %v: got %#x, want %#x", g.seed, g.label, g.ids, got, g.want)
		}
	}
	s := choice.New(1).Stream("golden")
	got := fmt.Sprint(s.IntN(100), s.Int64N(1e18), s.Between(-5, 5), s.Chance(1, 2), s.Perm(6), choice.Pick(s, []string{"a", "b", "c"}))
	if want := "13 733464988731553739 5 false [4 1 0 3 2 5]c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	if choice.New(42).Seed() != 42 || choice.New(0) != (choice.Source{}) {
		t.Error("a source forgets its seed")
	}
}

// Different names are different streams, however similar they are: no number
// of one is in another.
func TestStreamsAreDifferent(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]string)
	for seed := range uint64(4) {
		for _, label := range []string{"", "a", "aa", "b", "ab", "ba", "a\x00", "\x00"} {
			for _, ids := range [][]uint64{nil, {0}, {1}, {0, 0}, {0, 1}, {1, 0}, {2}, {1 << 63}, {0, 0, 0}} {
				name := fmt.Sprintf("%d %q %v", seed, label, ids)
				s := choice.New(seed).Stream(label, ids...)
				for range 200 {
					n := s.Uint64()
					if other, ok := seen[n]; ok {
						t.Fatalf("streams %s and %s share the number %#x", name, other, n)
					}
					seen[n] = name
				}
			}
		}
	}
}

// Neighbours do not look alike: on average half of the bits differ.
func TestStreamsAreIndependent(t *testing.T) {
	t.Parallel()
	src := choice.New(7)
	const n = 20_000
	differ := 0
	for id := range uint64(n) {
		differ += bits.OnesCount64(src.Stream("x", id).Uint64() ^ src.Stream("x", id+1).Uint64())
	}
	// The mean of n draws of 64 coins, with a standard deviation of 4/sqrt(n).
	if mean := float64(differ) / n; mean < 31.85 || mean > 32.15 {
		t.Errorf("first numbers of neighbours differ in %.3f bits, want 32", mean)
	}
}

// chiSquare is the statistic of counts that should be equal; with k counts its
// mean is k-1 and its standard deviation sqrt(2(k-1)).
func chiSquare(counts []int) float64 {
	total := 0
	for _, c := range counts {
		total += c
	}
	want := float64(total) / float64(len(counts))
	sum := 0.0
	for _, c := range counts {
		sum += (float64(c) - want) * (float64(c) - want) / want
	}
	return sum
}

func TestUniform(t *testing.T) {
	t.Parallel()
	s := choice.New(3).Stream("uniform")
	numbers := make([]int, 100)
	for range 100_000 {
		numbers[s.IntN(100)]++
	}
	if x := chiSquare(numbers); x < 50 || x > 160 {
		t.Errorf("IntN(100): chi square %.1f, want about 99", x)
	}
	perms := make(map[string]int)
	for range 24_000 {
		perms[fmt.Sprint(s.Perm(4))]++
	}
	var counts []int
	for _, n := range perms {
		counts = append(counts, n)
	}
	if x := chiSquare(counts); len(counts) != 24 || x < 5 || x > 60 {
		t.Errorf("Perm(4): %d permutations, chi square %.1f, want about 23", len(counts), x)
	}
	hits := 0
	for range 30_000 {
		if s.Chance(1, 3) {
			hits++
		}
	}
	if hits < 9600 || hits > 10_400 {
		t.Errorf("Chance(1, 3) is true %d times in 30000", hits)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := choice.New(rapid.Uint64().Draw(t, "seed")).Stream(rapid.String().Draw(t, "label"))
		n := rapid.Int64Range(1, 1<<63-1).Draw(t, "n")
		if got := s.Int64N(n); got < 0 || got >= n {
			t.Fatalf("Int64N(%d) is %d", n, got)
		}
		lo := rapid.Int64Range(-1<<62, 1<<62-1).Draw(t, "lo")
		hi := rapid.Int64Range(lo, 1<<62-1).Draw(t, "hi")
		if got := s.Between(lo, hi); got < lo || got > hi {
			t.Fatalf("Between(%d, %d) is %d", lo, hi, got)
		}
		if s.Chance(0, n) || !s.Chance(n, n) {
			t.Fatalf("Chance is not sure of 0 or %d in %d", n, n)
		}
		p := s.Perm(rapid.IntRange(0, 20).Draw(t, "perm"))
		sorted := slices.Sorted(slices.Values(p))
		for i, v := range sorted {
			if v != i {
				t.Fatalf("Perm gives %v", p)
			}
		}
	})
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s := choice.New(1).Stream("panics")
	for name, f := range map[string]func(){
		"Int64N(0)":             func() { s.Int64N(0) },
		"IntN(-1)":              func() { s.IntN(-1) },
		"Between(2, 1)":         func() { s.Between(2, 1) },
		"Chance(0, 0)":          func() { s.Chance(0, 0) },
		"Pick of nothing":       func() { choice.Pick(s, []int(nil)) },
		"Between(all integers)": func() { s.Between(-1<<63, 1<<63-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkUint64(b *testing.B) {
	s := choice.New(1).Stream("bench")
	for b.Loop() {
		s.Uint64()
	}
}

func BenchmarkStream(b *testing.B) {
	src := choice.New(1)
	for b.Loop() {
		src.Stream("latency", 3, 4).Uint64()
	}
}

// Every name is drawn as often as its weight says, and one of weight 0 never.
func TestWeigh(t *testing.T) {
	t.Parallel()
	from := []choice.Weighted{{Name: "read", Weight: 70}, {Name: "never"}, {Name: "write", Weight: 30}}
	drawn, s := map[string]int{}, choice.New(1).Stream("weigh")
	for range 10_000 {
		drawn[choice.Weigh(s, from)]++
	}
	if n := drawn["read"]; n < 6_800 || n > 7_200 || n+drawn["write"] != 10_000 {
		t.Errorf("drawn: %v", drawn)
	}
}
