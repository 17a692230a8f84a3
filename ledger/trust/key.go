package trust

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

const pemType = "PRIVATE KEY"

// MarshalKey writes a private key as PKCS#8 PEM, which openssl and others read.
func MarshalKey(k ed25519.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil { // only a key of another type can fail
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
}

// ParseKey reads what MarshalKey writes.
func ParseKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%w: not a private key in PEM", ErrMalformed)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	priv, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: a key of type %T, want Ed25519", ErrMalformed, k)
	}
	return priv, nil
}

// KeyID names an operator's key: the SHA-256 of its public half, hex.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:])
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// signer and verifier fit a key into the dsse package.
type signer struct{ key ed25519.PrivateKey }

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.key, data), nil
}
func (s signer) KeyID() (string, error) { return KeyID(publicOf(s.key)), nil }

// VerifyFunc reports whether sig is the signature of message by key, as ed25519.Verify does. It may be called by
// many goroutines.
type VerifyFunc func(key ed25519.PublicKey, message, sig []byte) bool

type verifier struct {
	key    ed25519.PublicKey
	verify VerifyFunc
}

func (v verifier) Verify(_ context.Context, data, sig []byte) error {
	if !v.verify(v.key, data, sig) {
		return ErrSignature
	}
	return nil
}
func (v verifier) KeyID() (string, error)   { return KeyID(v.key), nil }
func (v verifier) Public() crypto.PublicKey { return crypto.PublicKey(v.key) }
