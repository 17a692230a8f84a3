package mesh

import (
	"encoding/binary"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	gatherBatch = 8       // packets, or trains of them, that the kernel is asked for at a time
	gatherBytes = 1 << 16 // of a train; the kernel joins no more
	gatherOOB   = 128     // bytes of control messages, which say where a packet was sent to, its ECN bits, and how long those of a train are
)

// gathered is a socket that takes what one sender sent at a time from the kernel as one train (UDP GRO), and hands on its packets. A packet
// by itself costs the kernel, and waking this process, several times as much. It is read by one goroutine.
type gathered struct {
	*net.UDPConn
	batch  *ipv4.PacketConn
	trains []ipv4.Message
	left   []ipv4.Message // of trains, what was read and not handed on
	at     int            // bytes of the first of them that were
}

// openSocket opens a socket of this machine, one that gathers where the kernel can.
func openSocket(network string, laddr *net.UDPAddr) (net.PacketConn, error) {
	c, err := net.ListenUDP(network, laddr)
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return c, nil // it is one that does not gather
	}
	var refused error
	if err := raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) }); err != nil || refused != nil {
		return c, nil // older than Linux 5.0
	}
	g := &gathered{UDPConn: c, batch: ipv4.NewPacketConn(c), trains: make([]ipv4.Message, gatherBatch)}
	for i := range g.trains {
		g.trains[i].Buffers, g.trains[i].OOB = [][]byte{make([]byte, gatherBytes)}, make([]byte, gatherOOB)
	}
	return g, nil
}

// ReadBatch reads packets as ipv4.PacketConn does; QUIC calls it.
func (g *gathered) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	if len(g.left) == 0 {
		n, err := g.batch.ReadBatch(g.trains, flags)
		if err != nil {
			return 0, err
		}
		g.left, g.at = g.trains[:n], 0
	}
	n := 0
	for ; n < len(ms) && len(g.left) > 0; n++ {
		g.next(&ms[n])
	}
	return n, nil
}

// next hands on the next packet.
func (g *gathered) next(m *ipv4.Message) {
	train := &g.left[0]
	data, oob := train.Buffers[0][g.at:train.N], train.OOB[:train.NN]
	if size := packetBytes(oob); size > 0 {
		data = data[:min(size, len(data))]
	}
	m.N, m.NN = copy(m.Buffers[0], data), copy(m.OOB, oob)
	m.Addr, m.Flags = train.Addr, train.Flags
	if g.at += len(data); g.at == train.N {
		g.left, g.at = g.left[1:], 0
	}
}

// packetBytes returns how long the packets of a train are, of which the last may be shorter; 0 if it is none.
func packetBytes(oob []byte) int {
	for len(oob) > 0 {
		h, body, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return 0
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(body) >= 4 {
			return int(binary.NativeEndian.Uint32(body))
		}
		oob = rest
	}
	return 0
}
