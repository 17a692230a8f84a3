//go:build !linux

package mesh

import "net"

// openSocket opens a socket of this machine.
func openSocket(network string, laddr *net.UDPAddr) (net.PacketConn, error) {
	return net.ListenUDP(network, laddr)
}
