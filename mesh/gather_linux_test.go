package mesh

import (
	"bytes"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// gathering returns a socket that gathers, and one that sends to it.
func gathering(t *testing.T) (*gathered, *net.UDPConn) {
	t.Helper()
	c, err := openSocket("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // nothing was written to it
	g, ok := c.(*gathered)
	if !ok {
		t.Skip("this kernel does not gather")
	}
	if err := g.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	from, err := net.DialUDP("udp4", nil, g.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = from.Close() }) // what it sent has come
	return g, from
}

// sendTrain sends data as packets of so many bytes with one call.
func sendTrain(t *testing.T, c *net.UDPConn, data []byte, size int) {
	t.Helper()
	segment := func(n int) func(int) error {
		return func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, n) }
	}
	control(t, c, segment(size))
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	control(t, c, segment(0))
}

// take reads so many packets, some at a time.
func take(t *testing.T, g *gathered, packets, atATime int) (all []ipv4.Message) {
	t.Helper()
	for len(all) < packets {
		ms := make([]ipv4.Message, atATime)
		for i := range ms {
			ms[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 1452)}, OOB: make([]byte, 128)}
		}
		n, err := g.ReadBatch(ms, 0)
		if err != nil || n == 0 {
			t.Fatalf("%d packets after %d: %v", n, len(all), err)
		}
		all = append(all, ms[:n]...)
	}
	return all
}

func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i >> 3)
	}
	return b
}

func TestGatheredPacketsAreWhatWasSent(t *testing.T) {
	for _, atATime := range []int{1, 3, 8, 64} {
		g, from := gathering(t)
		train, single := numbered(10*1280+77), []byte("by itself")
		sendTrain(t, from, train, 1280)
		if _, err := from.Write(single); err != nil {
			t.Fatal(err)
		}
		sendTrain(t, from, train[:2*1440], 1440)
		want := []int{1280, 1280, 1280, 1280, 1280, 1280, 1280, 1280, 1280, 1280, 77, len(single), 1440, 1440}
		var got []byte
		for i, m := range take(t, g, len(want), atATime) {
			if m.N != want[i] || m.Addr.String() != from.LocalAddr().String() {
				t.Errorf("%d at a time: packet %d has %d bytes from %v, not %d from %v", atATime, i, m.N, m.Addr, want[i], from.LocalAddr())
			}
			got = append(got, m.Buffers[0][:m.N]...)
		}
		if !bytes.Equal(got, bytes.Join([][]byte{train, single, train[:2*1440]}, nil)) {
			t.Errorf("%d at a time: the bytes are others", atATime)
		}
	}
}

// What belongs to a train holds for each of its packets: QUIC reads the ECN bits of each.
func TestGatheredPacketsHaveTheirECN(t *testing.T) {
	g, from := gathering(t)
	control(t, g.UDPConn, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
	control(t, from, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, 2) })
	sendTrain(t, from, numbered(5*1000), 1000)
	for i, m := range take(t, g, 5, 2) {
		all, err := syscall.ParseSocketControlMessage(m.OOB[:m.NN])
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, c := range all {
			found = found || c.Header.Level == unix.IPPROTO_IP && c.Header.Type == unix.IP_TOS && c.Data[0] == 2
		}
		if !found {
			t.Errorf("packet %d: no ECN bits in %v", i, all)
		}
	}
}

// A train comes with one call to the kernel: that is what it is for.
func TestTrainsComeWhole(t *testing.T) {
	g, from := gathering(t)
	sendTrain(t, from, numbered(12*1280), 1280)
	take(t, g, 1, 1)
	if left := g.left; len(left) != 1 || left[0].N != 12*1280 {
		t.Errorf("%d trains are left, not the one of which a packet was taken", len(left))
	}
}

// What is empty, or too long for QUIC, is neither an end nor a stop.
func TestGatheredOddPackets(t *testing.T) {
	g, from := gathering(t)
	for _, n := range []int{0, 3000, 0, 5} {
		if _, err := from.Write(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range take(t, g, 4, 3) {
		if want := []int{0, 1452, 0, 5}[i]; m.N != want {
			t.Errorf("packet %d has %d bytes, not %d", i, m.N, want)
		}
	}
}

func control(t *testing.T, c *net.UDPConn, do func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}
