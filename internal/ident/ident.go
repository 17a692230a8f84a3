// Package ident names nodes. A node is its Ed25519 public key; people and logs see the
// libp2p form of it ("12D3KooW..."), and a short form of that where space is dear.
package ident

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// NodeID is a node's Ed25519 public key. The zero value names no node.
type NodeID [ed25519.PublicKeySize]byte

// FromPublicKey returns the ID of the node that holds the private half of k.
// It panics if k is not ed25519.PublicKeySize long, as crypto/ed25519 does.
func FromPublicKey(k ed25519.PublicKey) NodeID {
	if len(k) != ed25519.PublicKeySize {
		panic("ident: bad Ed25519 public key length")
	}
	return NodeID(k)
}

// FromPrivateKey returns the ID of the node that holds k.
func FromPrivateKey(k ed25519.PrivateKey) NodeID {
	return FromPublicKey(k.Public().(ed25519.PublicKey))
}

// FromPeer returns the node ID inside a libp2p peer ID. IDs of other key types are errors.
func FromPeer(p peer.ID) (NodeID, error) {
	pub, err := p.ExtractPublicKey()
	if err != nil {
		return NodeID{}, fmt.Errorf("read peer ID: %w", err)
	}
	if pub.Type() != crypto.Ed25519 {
		return NodeID{}, fmt.Errorf("peer %s has no Ed25519 key", p)
	}
	raw, err := pub.Raw()
	if err != nil {
		return NodeID{}, fmt.Errorf("read peer ID: %w", err)
	}
	return NodeID(raw), nil
}

// Parse reads the form that String writes.
func Parse(s string) (NodeID, error) {
	p, err := peer.Decode(s)
	if err != nil {
		return NodeID{}, fmt.Errorf("%q is not a node ID", s)
	}
	return FromPeer(p)
}

// PublicKey returns the key that checks this node's signatures.
func (n NodeID) PublicKey() ed25519.PublicKey { return ed25519.PublicKey(n[:]) }

// peerPrefix comes before the key in a libp2p peer ID: the identity hash, 0x00, of 36 bytes, which are a protobuf message of
// the key's type, 1 for Ed25519, and its 32 bytes (libp2p specs, peer-ids).
const peerPrefix = "\x00\x24\x08\x01\x12\x20"

// Peer returns the libp2p form of the ID.
func (n NodeID) Peer() peer.ID { return peer.ID(peerPrefix + string(n[:])) }

// String returns the libp2p text of the ID, 52 characters; "" for the zero ID.
func (n NodeID) String() string {
	if n.IsZero() {
		return ""
	}
	return n.Peer().String()
}

// Short returns the last eight characters of String: enough to tell a fleet's nodes apart by eye.
func (n NodeID) Short() string {
	s := n.String()
	return s[max(0, len(s)-8):]
}

// IsZero reports whether n names no node.
func (n NodeID) IsZero() bool { return n == NodeID{} }

// Compare orders IDs by their bytes.
func (n NodeID) Compare(o NodeID) int { return bytes.Compare(n[:], o[:]) }

// MarshalText writes what String returns.
func (n NodeID) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (n *NodeID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*n = NodeID{}
		return nil
	}
	id, err := Parse(string(b))
	if err != nil {
		return err
	}
	*n = id
	return nil
}
