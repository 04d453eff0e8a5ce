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

// known is what this process has found out.
var known = memory{most: 1 << 16}

// Verify says what ed25519.Verify says.
func Verify(key ed25519.PublicKey, message, sig []byte) bool { return known.verify(key, message, sig) }

// memory is of signatures that were found to be good. Those that are not are not
// remembered: there is no end to them.
type memory struct {
	sync.Mutex
	good map[[sha256.Size]byte]struct{}
	most int // with more, all are forgotten, and found out anew
}

func (m *memory) verify(key ed25519.PublicKey, message, sig []byte) bool {
	if len(sig) != ed25519.SignatureSize {
		return false
	}
	// The key and the signature have fixed lengths, so no two triples read the same.
	id := sha256.Sum256(append(append(append(make([]byte, 0, 512), key...), sig...), message...))
	if m.has(id) {
		return true
	}
	if !ed25519.Verify(key, message, sig) {
		return false
	}
	m.add(id)
	return true
}

func (m *memory) has(id [sha256.Size]byte) bool {
	m.Lock()
	defer m.Unlock()
	_, has := m.good[id]
	return has
}

func (m *memory) add(id [sha256.Size]byte) {
	m.Lock()
	defer m.Unlock()
	if m.good == nil || len(m.good) >= m.most {
		m.good = map[[sha256.Size]byte]struct{}{}
	}
	m.good[id] = struct{}{}
}
