//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"selvage/simulator/network"
)

const tunFile = "/dev/net/tun"

// wire is a network.Wire whose two ends are one TUN device: what is routed to it comes back from it
// when the link is through with it.
type wire struct {
	*network.Wire
	dev  *os.File
	gone chan struct{} // closed when the reader has ended
}

// newWire makes a device in a namespace, and routes what comes in at another device through it.
func newWire(in space, name, from string, table int, l network.Link, start time.Time) (*wire, error) {
	dev, err := openTUN(in, name)
	if err != nil {
		return nil, err
	}
	w := &wire{dev: dev, gone: make(chan struct{})}
	w.Wire, err = network.NewWire(l, start, rand.NewPCG(rand.Uint64(), rand.Uint64()), func(p []byte) {
		_, _ = dev.Write(p) // what the kernel does not take is lost, as on any link
	})
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	go w.read()
	err = batch(string(in), "ip",
		fmt.Sprintf("link set %s txqueuelen 10000 up", name),
		fmt.Sprintf("route add default dev %s table %d", name, table),
		fmt.Sprintf("rule add pref %d iif %s lookup %d", prefWire, from, table))
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func openTUN(in space, name string) (dev *os.File, err error) {
	err = in.do(func() error {
		fd, err := unix.Open(tunFile, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return &Unable{What: "delay or lose packets", Lacks: "this machine has no TUN device, " + tunFile,
				Hint: "load it with 'modprobe tun', or take latency, jitter, loss, reorder, duplicate, mtu, codel, duty and budget out of the uplinks"}
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", tunFile, err)
		}
		req, err := unix.NewIfreq(name)
		if err == nil {
			req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
		}
		if err == nil {
			err = unix.SetNonblock(fd, true) // so that Close ends a read
		}
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("make a TUN device: %w", err)
		}
		dev = os.NewFile(uintptr(fd), name)
		return nil
	})
	return dev, err
}

// read puts what is routed to the device on the wire, until that is closed.
func (w *wire) read() {
	defer close(w.gone)
	b := make([]byte, 1<<16)
	for {
		n, err := w.dev.Read(b)
		if err != nil {
			return
		}
		if n > 0 && b[0]>>4 == 4 {
			w.Send(b[:n])
		}
	}
}

// Close removes the device.
func (w *wire) Close() {
	_ = w.dev.Close()
	<-w.gone
	w.Wire.Close()
}
