package native

import (
	"crypto/ed25519"
	"crypto/sha256"
	"sync"
)

// maxVerified bounds the signatures that are remembered; at the bound all are forgotten.
const maxVerified = 1 << 20

// verified remembers good signatures, for all nodes of a world: each node checks every entry, and a
// thousand nodes in one process would check the same signature a thousand times.
type verified struct {
	mu   sync.Mutex
	good map[[sha256.Size]byte]struct{}
}

// check is ed25519.Verify.
func (v *verified) check(key ed25519.PublicKey, message, sig []byte) bool {
	if len(key) != ed25519.PublicKeySize || len(sig) != ed25519.SignatureSize {
		return false
	}
	h := sha256.New() // key and signature have one length each, so nothing runs into the message
	h.Write(key)
	h.Write(sig)
	h.Write(message)
	sum := [sha256.Size]byte(h.Sum(nil))
	v.mu.Lock()
	_, known := v.good[sum]
	v.mu.Unlock()
	if known {
		return true
	}
	if !ed25519.Verify(key, message, sig) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil || len(v.good) >= maxVerified {
		v.good = map[[sha256.Size]byte]struct{}{}
	}
	v.good[sum] = struct{}{}
	return true
}
