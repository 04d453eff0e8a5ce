package signature

import (
	"crypto/ed25519"
	"testing"

	"pgregory.net/rapid"
)

// key returns one of a few keys.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), n))
}

// Whatever was asked before, and however little is remembered, the answer is that
// of package ed25519.
func TestSaysWhatEd25519Says(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &memory{most: rapid.IntRange(1, 5).Draw(rt, "most")}
		for range rapid.IntRange(1, 20).Draw(rt, "questions") {
			signer, asked := key(rapid.ByteMax(2).Draw(rt, "signer")), key(rapid.ByteMax(2).Draw(rt, "key"))
			said := rapid.SliceOfN(rapid.ByteMax(1), 0, 2).Draw(rt, "signed")
			read := rapid.SliceOfN(rapid.ByteMax(1), 0, 2).Draw(rt, "read")
			sig := ed25519.Sign(signer, said)
			if rapid.Bool().Draw(rt, "changed") {
				sig[rapid.IntRange(0, len(sig)-1).Draw(rt, "at")] ^= 1
			}
			sig = sig[:rapid.SampledFrom([]int{len(sig), len(sig), len(sig), 3}).Draw(rt, "length")]
			public, is := asked.Public().(ed25519.PublicKey)
			if got, want := m.verify(public, read, sig), ed25519.Verify(public, read, sig); !is || got != want {
				rt.Fatalf("%v, not %v", got, want)
			}
			if len(m.good) > m.most {
				rt.Fatalf("%d signatures are remembered", len(m.good))
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := key(1)
	public, message := k.Public().(ed25519.PublicKey), make([]byte, 100)
	sig := ed25519.Sign(k, message)
	for b.Loop() {
		Verify(public, message, sig)
	}
}
