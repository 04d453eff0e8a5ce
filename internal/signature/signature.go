// Package signature verifies Ed25519 signatures, each of them once in a process.
//
// Whether a signature is good depends on nothing but the bytes, so it can be
// remembered without anybody being able to tell, other than by the time that it
// takes. That time is most of what a node of a ledger needs, and in the simulator
// all nodes of a cluster, which all look at the same signatures, are in one
// process.
package signature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"sync"
)

// most bounds what is remembered. With more all is forgotten, and found out anew.
const most = 1 << 16

// good has the signatures that were found to be good. Those that are not are not
// remembered: there is no end to them.
var good = struct {
	sync.Mutex
	seen map[[sha256.Size]byte]struct{}
}{seen: map[[sha256.Size]byte]struct{}{}}

// Verify says what ed25519.Verify says.
func Verify(key ed25519.PublicKey, message, sig []byte) bool {
	if len(sig) != ed25519.SignatureSize {
		return false
	}
	// The key and the signature have fixed lengths, so no two triples read the same.
	id := sha256.Sum256(append(append(append(make([]byte, 0, 512), key...), sig...), message...))
	good.Lock()
	_, seen := good.seen[id]
	good.Unlock()
	if seen {
		return true
	}
	if !ed25519.Verify(key, message, sig) {
		return false
	}
	good.Lock()
	defer good.Unlock()
	if len(good.seen) >= most {
		clear(good.seen)
	}
	good.seen[id] = struct{}{}
	return true
}
