package patch

// block is the length of the old blocks that settle knows: it finds every run of 2*block-1 equal bytes.
const block = 512

// span is the bytes from from to before to.
type span struct{ from, to int }

// run says that length bytes of new, from at, equal those of old from pos.
type run struct{ at, pos, length int }

// settle finds the long runs of new that old has too, whatever their order, in one pass over each:
// what they cover needs no index. They ascend and do not overlap.
func settle(old, new []byte) []run {
	table := newBlockTable(old)
	var runs []run
	end, slant := 0, 0 // of the last run: where it ended, and how far its old bytes are from the new
	var h rolling
	for at := 0; at+block <= len(new); {
		h.set(new[at : at+block])
		r := run{}
		for ; ; at++ {
			if pos, ok := table.find(old, new, h.sum, at, slant); ok {
				r = extend(old, new, end, at, pos)
				break
			}
			if at+block >= len(new) {
				return runs
			}
			h.roll(new[at], new[at+block])
		}
		runs = append(runs, r)
		end, slant = r.at+r.length, r.pos-r.at
		at = end
	}
	return runs
}

// extend is the longest run around equal bytes at at and pos that begins at floor at the earliest.
func extend(old, new []byte, floor, at, pos int) run {
	back := 0
	for at-back > floor && pos-back > 0 && new[at-back-1] == old[pos-back-1] {
		back++
	}
	return run{at - back, pos - back, back + agree(old[pos:], new[at:])}
}

// rest is what of size bytes is not covered; covered ascends.
func rest(size int, covered []span) []span {
	var out []span
	from := 0
	for _, c := range covered {
		if c.from > from {
			out = append(out, span{from, c.from})
		}
		from = max(from, c.to)
	}
	if from < size {
		out = append(out, span{from, size})
	}
	return out
}

// rolling is a polynomial hash of the last block bytes.
type rolling struct{ sum uint64 }

const factor = 0x9e3779b97f4a7c15 // odd; any would do

// leaving is factor to the power of block: what the oldest byte weighs when the next has come.
var leaving = func() uint64 {
	p := uint64(1)
	for range block {
		p *= factor
	}
	return p
}()

func (h *rolling) set(b []byte) {
	h.sum = 0
	for _, c := range b {
		h.sum = h.sum*factor + uint64(c) + 1
	}
}

func (h *rolling) roll(out, in byte) {
	h.sum = h.sum*factor + uint64(in) + 1 - leaving*(uint64(out)+1)
}

// blockTable maps the hash of a block to where old has it first.
type blockTable struct {
	shift uint
	slots []uint32 // number of the block plus one; 0 is empty. At least half are
}

// newBlockTable indexes each block of old that begins at a multiple of block.
func newBlockTable(old []byte) *blockTable {
	t := &blockTable{shift: 63}
	for 1<<(64-t.shift) < 2*(len(old)/block+1) {
		t.shift--
	}
	t.slots = make([]uint32, 1<<(64-t.shift))
	var h rolling
	for i := range len(old) / block {
		b := old[i*block : (i+1)*block]
		h.set(b)
		if slot, taken := t.slot(old, b, h.sum); !taken {
			t.slots[slot] = uint32(i) + 1
		}
	}
	return t
}

// maxProbes bounds the search of a slot. Blocks that find none are not in the table.
const maxProbes = 16

// slot is where the block is, or would go.
func (t *blockTable) slot(old, b []byte, sum uint64) (int, bool) {
	i := int(sum * factor >> t.shift)
	for range maxProbes {
		s := t.slots[i]
		if s == 0 {
			return i, false
		}
		if pos := int(s-1) * block; agree(old[pos:pos+block], b) == block {
			return i, true
		}
		i = (i + 1) & (len(t.slots) - 1)
	}
	return i, true
}

// find is where old has the block of new at at. Where the last run went on is looked at first: of
// bytes that old has often, as zeros, the ones in order are meant.
func (t *blockTable) find(old, new []byte, sum uint64, at, slant int) (int, bool) {
	slot, taken := t.slot(old, new[at:at+block], sum)
	if !taken || t.slots[slot] == 0 {
		return 0, false
	}
	b := new[at : at+block]
	if pos := at + slant; pos >= 0 && pos+block <= len(old) && agree(old[pos:pos+block], b) == block {
		return pos, true
	}
	pos := int(t.slots[slot]-1) * block
	return pos, agree(old[pos:pos+block], b) == block
}
