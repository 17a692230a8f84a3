//go:build linux

package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sys/unix"

	"selvage/simulator/network"
)

// TestKernel has the kernel (tc tbf) and package network do the same: more packets than an uplink takes, and a
// stream of QUIC. What gets through, how long packets wait, and how long the stream takes must agree
// within a few per cent. A busy machine is late, so the test goes first, and the kernel has some tries.
func TestKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds of real time")
	}
	l := newLab(t)
	goFirst(t)
	for i, link := range []network.Link{
		{Rate: 16e6, Queue: 300_000},
		{Rate: 6e6}, // and the queue that it has if nothing is said
		{Rate: 2e6, Queue: 100_000},
	} {
		t.Run(fmt.Sprintf("%d kbit, queue %d", link.Rate/1000, link.Queue), func(t *testing.T) {
			x := addSite(t, l, fmt.Sprint("x", i), network.SiteConfig{Up: link}, 1)
			y := addSite(t, l, fmt.Sprint("y", i), network.SiteConfig{}, 1)
			want := virtually(t, link)
			for try := range 5 {
				got := measure(t, listen(t, x.Host("a")), roomy(t, listen(t, y.Host("a"))), link.Rate)
				wrong := got.differs(want)
				t.Logf("the model: %v; the kernel: %v", want, got)
				if wrong == "" {
					return
				}
				if try == 4 {
					t.Error(wrong)
				}
			}
		})
	}
}

// figures are what a link did.
type figures struct {
	through float64       // bits/s that got through, from the IP header on
	wait    time.Duration // the median of how long packets were under way
	lost    float64       // share of packets; it depends on how evenly they were sent
	stream  time.Duration // for a QUIC stream
}

func (f figures) String() string {
	return fmt.Sprintf("%.3f Mbit/s, %.1f ms, %.1f%% lost, stream %.3f s", f.through/1e6, float64(f.wait)/1e6, 100*f.lost, f.stream.Seconds())
}

// differs says what is not as it should be; "" if nothing is.
func (f figures) differs(want figures) string {
	for _, c := range []struct {
		what              string
		got, want, within float64
	}{
		{"throughput", f.through, want.through, 0.03 * want.through},
		{"waiting", f.wait.Seconds(), want.wait.Seconds(), 0.05*want.wait.Seconds() + 0.003},
		{"stream", f.stream.Seconds(), want.stream.Seconds(), 0.05*want.stream.Seconds() + 0.03}, // a handshake costs nothing in virtual time
	} {
		if c.got < c.want-c.within || c.got > c.want+c.within {
			return fmt.Sprintf("%s is %.4g, want %.4g give or take %.2g", c.what, c.got, c.want, c.within)
		}
	}
	return ""
}

// goFirst has the threads of this process come before others, until the test has ended. New threads are
// as those that make them.
func goFirst(t *testing.T) {
	nice := func(n int) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, n) // it may have ended
		}
	}
	nice(-20)
	t.Cleanup(func() { nice(0) })
}

// roomy has a socket hold what comes while its reader is kept from the processor.
func roomy(t *testing.T, c *net.UDPConn) *net.UDPConn {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return c
}

// virtually measures package network's link.
func virtually(t *testing.T, link network.Link) (f figures) {
	synctest.Test(t, func(t *testing.T) {
		n, err := network.New(network.Config{Rand: mrand.NewPCG(1, 2)})
		if err != nil {
			t.Fatal(err)
		}
		open := func(site string, cfg network.SiteConfig) net.PacketConn {
			s, err := n.AddSite(site, cfg)
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.AddHost("a")
			if err != nil {
				t.Fatal(err)
			}
			c, err := h.ListenUDP("udp4", &net.UDPAddr{Port: 4000})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		f = measure(t, open("x", network.SiteConfig{Up: link}), open("y", network.SiteConfig{}), link.Rate)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// measure has packets, and then a stream, go from one socket to another, and closes both.
func measure(t *testing.T, from, to net.PacketConn, rate int64) figures {
	f := flood(t, from, to, rate*3/2, 1500*time.Millisecond)
	var err error
	if f.stream, err = stream(from, to, rate/8); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(from.Close(), to.Close()); err != nil {
		t.Error(err)
	}
	return f
}

// flood sends packets of 1200 bytes at a rate, for a time, and measures what comes in the second half of it.
func flood(t *testing.T, from, to net.PacketConn, rate int64, lasts time.Duration) (f figures) {
	const size = 1200
	begin := time.Now()
	sent := make(chan int)
	go func() {
		n := 0
		for b := make([]byte, size); ; time.Sleep(500 * time.Microsecond) {
			now := time.Since(begin)
			if now >= lasts {
				break
			}
			for ; int64(n)*(size+network.Headers)*8 < int64(now.Seconds()*float64(rate)); n++ {
				binary.BigEndian.PutUint64(b, uint64(time.Since(begin)))
				_, _ = from.WriteTo(b, to.LocalAddr()) // what is not sent is lost
			}
		}
		sent <- n
	}()
	var waits []time.Duration
	var first, last time.Duration
	got := 0
	b := make([]byte, 2000)
	for to.SetReadDeadline(time.Now().Add(500*time.Millisecond)) == nil {
		if _, _, err := to.ReadFrom(b); err != nil {
			break
		}
		now := time.Since(begin)
		got++
		if now < lasts/2 || now > lasts {
			continue
		}
		if last = now; len(waits) == 0 {
			first = now
		}
		waits = append(waits, now-time.Duration(binary.BigEndian.Uint64(b)))
	}
	all := <-sent
	if err := to.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if len(waits) < 2 {
		t.Fatalf("of %d packets %d came", all, got)
	}
	slices.Sort(waits)
	return figures{through: float64((len(waits)-1)*(size+network.Headers)*8) / (last - first).Seconds(), wait: waits[len(waits)/2], lost: 1 - float64(got)/float64(all)}
}

// stream returns how long a QUIC stream of some bytes takes from one socket to another, with all that it takes.
func stream(from, to net.PacketConn, size int64) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cert, err := certificate()
	if err != nil {
		return 0, err
	}
	server, client := &quic.Transport{Conn: from}, &quic.Transport{Conn: to}
	defer func() { err = errors.Join(err, client.Close(), server.Close()) }()
	l, err := server.Listen(&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"test"}}, nil)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l, size) }()
	begin := time.Now()
	c, err := client.Dial(ctx, from.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"test"}}, nil)
	if err != nil {
		return 0, err
	}
	s, err := c.AcceptUniStream(ctx)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, s)
	took = time.Since(begin)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came", n)
	}
	return took, errors.Join(err, c.CloseWithError(0, ""), <-served)
}

// serve gives bytes to the first who comes, and waits until he has gone.
func serve(ctx context.Context, l *quic.Listener, size int64) error {
	c, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	s, err := c.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(s, io.LimitReader(zeros{}, size)); err != nil {
		return err
	}
	err = s.Close()
	<-c.Context().Done()
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func certificate() (tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, public, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
