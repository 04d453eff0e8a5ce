package signature_test

import (
	"crypto/ed25519"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/internal/signature"
)

// key returns one of a few keys.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), n))
}

// Whatever was asked before, the answer is that of package ed25519.
func TestSaysWhatEd25519Says(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 20).Draw(rt, "questions") {
			signer, asked := key(rapid.ByteMax(2).Draw(rt, "signer")), key(rapid.ByteMax(2).Draw(rt, "key"))
			said := rapid.SliceOfN(rapid.ByteMax(1), 0, 2).Draw(rt, "signed")
			read := rapid.SliceOfN(rapid.ByteMax(1), 0, 2).Draw(rt, "read")
			sig := ed25519.Sign(signer, said)
			if rapid.Bool().Draw(rt, "changed") {
				sig[rapid.IntRange(0, len(sig)-1).Draw(rt, "at")] ^= 1
			}
			sig = sig[:rapid.SampledFrom([]int{len(sig), len(sig), len(sig), 3}).Draw(rt, "length")]
			public := asked.Public().(ed25519.PublicKey)
			if got, want := signature.Verify(public, read, sig), ed25519.Verify(public, read, sig); got != want {
				rt.Fatalf("%v, not %v", got, want)
			}
		}
	})
}

// More signatures than are remembered change nothing.
func TestForgets(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("many signatures")
	}
	k := key(9)
	public := k.Public().(ed25519.PublicKey)
	for i := range 1<<16 + 10 {
		message := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		if !signature.Verify(public, message, ed25519.Sign(k, message)) {
			t.Fatalf("the signature of %v is not good", message)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := key(1)
	public, message := k.Public().(ed25519.PublicKey), make([]byte, 100)
	sig := ed25519.Sign(k, message)
	for b.Loop() {
		signature.Verify(public, message, sig)
	}
}
