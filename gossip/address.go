package gossip

import (
	"crypto/sha256"
	"net"
	"strconv"

	"selvage/internal/ident"
)

// serfPort is the port in every synthetic address. It means nothing.
const serfPort = 1

// syntheticIP is the address that serf knows a node by: fd (RFC 4193, unique local) and 15 bytes
// of the SHA-256 of the node's ID. No packet is ever sent to it.
func syntheticIP(id ident.NodeID) net.IP {
	sum := sha256.Sum256(id[:])
	ip := make(net.IP, net.IPv6len)
	ip[0] = 0xfd
	copy(ip[1:], sum[:])
	return ip
}

func syntheticAddr(id ident.NodeID) *net.TCPAddr {
	return &net.TCPAddr{IP: syntheticIP(id), Port: serfPort}
}

// joinName is how memberlist is asked to join a node whose name is known.
func joinName(id ident.NodeID) string {
	return id.String() + "/" + net.JoinHostPort(syntheticIP(id).String(), strconv.Itoa(serfPort))
}
