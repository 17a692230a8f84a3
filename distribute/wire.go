package distribute

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// Bounds of what peers send.
const (
	MaxRun     = 2 << 20           // bytes of one run's chunks
	maxRuns    = planner.MaxChunks // of one request
	maxQueued  = 64                // requests
	maxWants   = 256               // blobs that one peer may want at a time
	maxGotRuns = 4096
)

var errProtocol = errors.New("peer breaks the protocol")

// Kinds of messages on a have stream.
const (
	msgWant   = 1
	msgUnwant = 2
	msgBitmap = 3
	msgWhole  = 4
	msgGot    = 5
	msgShare  = 6
	msgTaking = 7
	msgLater  = 8
	msgUrgent = 9
	msgWaits  = 10
	msgDeals  = 11
)

// wants are the kinds of messages that want a blob, by class.
var wants = [classes]byte{Later: msgLater, Normal: msgWant, Urgent: msgUrgent}

// wanted returns the class at which a message wants a blob; false if it wants none.
func (m message) wanted() (Class, bool) {
	for c, kind := range wants {
		if m.kind == kind {
			return Class(c), true
		}
	}
	return 0, false
}

// message is one message on a have stream.
type message struct {
	kind   byte
	digest Digest
	bitmap *store.Bitmap
	runs   []planner.Run
	share  planner.Share
	askers []asker // by marks
}

func (m message) append(b []byte) []byte {
	b = append(append(b, m.kind), m.digest[:]...)
	switch m.kind {
	case msgBitmap:
		form := m.bitmap.Marshal()
		b = append(binary.AppendUvarint(b, uint64(len(form))), form...)
	case msgGot, msgTaking:
		b = appendRuns(b, m.runs)
	case msgShare:
		b = binary.AppendUvarint(b, uint64(m.share.Place))
		b = binary.AppendUvarint(b, uint64(m.share.Of))
	case msgDeals:
		b = binary.AppendUvarint(b, uint64(len(m.askers)))
		for _, a := range m.askers {
			b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, a.mark), uint64(a.since))
		}
	}
	return b
}

func appendRuns(b []byte, runs []planner.Run) []byte {
	b = binary.AppendUvarint(b, uint64(len(runs)))
	for _, r := range runs {
		b = binary.AppendUvarint(b, uint64(r.First))
		b = binary.AppendUvarint(b, uint64(r.Count))
	}
	return b
}

func readMessage(r *bufio.Reader) (message, error) {
	var m message
	var err error
	if m.kind, err = r.ReadByte(); err != nil {
		return m, err
	}
	if _, err := io.ReadFull(r, m.digest[:]); err != nil {
		return m, err
	}
	switch m.kind {
	case msgWant, msgUnwant, msgWhole, msgLater, msgUrgent, msgWaits:
	case msgBitmap:
		m.bitmap, err = readBitmap(r)
	case msgGot, msgTaking:
		m.runs, err = readRuns(r, maxGotRuns)
	case msgShare:
		m.share, err = readShare(r)
	case msgDeals:
		m.askers, err = readAskers(r)
	default:
		err = fmt.Errorf("%w: a message of kind %d", errProtocol, m.kind)
	}
	return m, err
}

func readShare(r *bufio.Reader) (planner.Share, error) {
	place, err := binary.ReadUvarint(r)
	if err != nil {
		return planner.Share{}, err
	}
	of, err := binary.ReadUvarint(r)
	if err != nil {
		return planner.Share{}, err
	}
	s := planner.Share{Place: int(min(place, planner.MaxShares)), Of: int(min(of, planner.MaxShares+1))}
	if !s.Valid() {
		return s, fmt.Errorf("%w: share %d of %d", errProtocol, place, of)
	}
	return s, nil
}

func readAskers(r *bufio.Reader) ([]asker, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > planner.MaxShares {
		return nil, fmt.Errorf("%w: it deals among %d sites", errProtocol, n)
	}
	var all []asker // grows with what comes, not with what is announced
	for range n {
		var b [16]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		all = append(all, asker{binary.BigEndian.Uint64(b[:8]), int64(binary.BigEndian.Uint64(b[8:]))})
	}
	return byMarks(all), nil
}

func readBitmap(r *bufio.Reader) (*store.Bitmap, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > store.MaxBits/8+16 {
		return nil, fmt.Errorf("%w: a bitmap of %d bytes", errProtocol, n)
	}
	var form bytes.Buffer // grows with what comes, not with what is announced
	if _, err := io.CopyN(&form, r, int64(n)); err != nil {
		return nil, err
	}
	b, err := store.UnmarshalBitmap(form.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return b, nil
}

// readRuns reads at most most runs of chunks, which ascend, within what a blob can have. So a
// message names each chunk once at most.
func readRuns(r *bufio.Reader, most int) ([]planner.Run, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > uint64(most) {
		return nil, fmt.Errorf("%w: %d runs", errProtocol, n)
	}
	var runs []planner.Run // grows with what comes, not with what is announced
	next := uint64(0)
	for range n {
		first, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		count, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		if first < next || first > store.MaxBits || count == 0 || count > store.MaxBits-first {
			return nil, fmt.Errorf("%w: run %d+%d", errProtocol, first, count)
		}
		next = first + count
		runs = append(runs, planner.Run{First: int(first), Count: int(count)})
	}
	return runs, nil
}

// Status bytes.
const (
	statusOK      = 0
	statusMissing = 1
	statusPacked  = 2
)
