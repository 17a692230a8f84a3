package exchange

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/exchange"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"golang.org/x/sync/errgroup"

	"selvage/distribute/store"
	"selvage/internal/worked"
)

const (
	benchSize    = 64 << 20 // bytes
	benchFetcher = 4
)

// BenchmarkExchange gets the same blocks from one node to four others, all connected over QUIC on this machine: with
// boxo's bitswap, whose blocks are in memory, and with a swarm, whose blocks are on disk, synced and checked as a whole.
func BenchmarkExchange(b *testing.B) {
	source := add(b, newStore(b), content(7, benchSize))
	var all []blocks.Block
	err := source.Walk(func(bl store.Block) error {
		data := bl.Node
		if data == nil {
			data = make([]byte, bl.Size)
			if _, err := source.ReadChunks(bl.Chunk, 1, data); err != nil {
				return err
			}
		}
		block, err := blocks.NewBlockWithCid(data, bl.CID)
		all = append(all, block)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bitswap", func(b *testing.B) { compare(b, source, all, bitswaps) })
	b.Run("swarm", func(b *testing.B) { compare(b, source, all, swarms) })
}

// compare gets the blocks with exchanges that know of one holder, and shows how long it took and what it cost.
func compare(b *testing.B, source *store.Object, all []blocks.Block, fleet func(testing.TB, *store.Object, []blocks.Block) ([]exchange.Interface, func() uint64)) {
	cids := make([]cid.Cid, len(all))
	for i, bl := range all {
		cids[i] = bl.Cid()
	}
	var took, busy time.Duration
	var sent uint64
	rounds := 0
	for b.Loop() {
		rounds++
		b.StopTimer()
		exs, counted := fleet(b, source, all)
		b.StartTimer()
		began, spent := time.Now(), worked.Time()
		var g errgroup.Group
		for _, ex := range exs {
			g.Go(func() error { return take(ex, source.Root, cids) })
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
		busy += worked.Time() - spent
		sent += counted()
	}
	moved := float64(rounds * benchFetcher * benchSize)
	b.ReportMetric(moved/1e6/took.Seconds(), "MB/s")
	b.ReportMetric(moved/1e6/busy.Seconds(), "MB/cpu-s")
	b.ReportMetric(float64(sent)/float64(rounds*benchSize), "copies-of-first")
}

// take gets the root and then all blocks.
func take(ex exchange.Interface, root cid.Cid, cids []cid.Cid) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	f := exchange.Fetcher(ex)
	if s, ok := ex.(exchange.SessionExchange); ok {
		f = s.NewSession(ctx)
	}
	if _, err := f.GetBlock(ctx, root); err != nil {
		return err
	}
	out, err := f.GetBlocks(ctx, cids)
	if err != nil {
		return err
	}
	for range out {
	}
	return ctx.Err()
}

func bitswaps(tb testing.TB, _ *store.Object, all []blocks.Block) ([]exchange.Interface, func() uint64) {
	var exs []exchange.Interface
	var first *bitswap.Bitswap
	for i, h := range connected(tb, 1+benchFetcher) {
		bs := blockstore.NewBlockstore(dssync.MutexWrap(datastore.NewMapDatastore()))
		if i == 0 {
			if err := bs.PutMany(context.Background(), all); err != nil {
				tb.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		ex := bitswap.New(ctx, bsnet.NewFromIpfsHost(h), nil, bs)
		tb.Cleanup(func() {
			_ = ex.Close()
			cancel()
		})
		if i == 0 {
			first = ex
			continue
		}
		exs = append(exs, stored{ex, bs})
	}
	return exs, func() uint64 {
		st, err := first.Stat()
		if err != nil {
			tb.Fatal(err)
		}
		return st.DataSent
	}
}

// stored puts what bitswap got into the block store, as a block service does, so that others can have it.
type stored struct {
	*bitswap.Bitswap
	to blockstore.Blockstore
}

func (s stored) NewSession(ctx context.Context) exchange.Fetcher {
	return storedSession{s.Bitswap.NewSession(ctx), s}
}

type storedSession struct {
	exchange.Fetcher
	s stored
}

func (f storedSession) GetBlocks(ctx context.Context, cids []cid.Cid) (<-chan blocks.Block, error) {
	in, err := f.Fetcher.GetBlocks(ctx, cids)
	if err != nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		for bl := range in {
			if f.s.to.Put(ctx, bl) != nil || f.s.NotifyNewBlocks(ctx, bl) != nil {
				return
			}
			out <- bl
		}
	}()
	return out, nil
}

func swarms(tb testing.TB, source *store.Object, _ []blocks.Block) ([]exchange.Interface, func() uint64) {
	all := members(tb, connected(tb, 1+benchFetcher))
	add(tb, all[0].store, content(7, benchSize))
	var exs []exchange.Interface
	for _, m := range all[1:] {
		m.ex.Know(source.Want)
		exs = append(exs, m.ex)
	}
	return exs, func() uint64 { return uint64(all[0].sent.Load()) }
}
