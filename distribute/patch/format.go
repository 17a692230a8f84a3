package patch

import "errors"

// The form of a patch; see the package comment.
const (
	magic    = "SLVPATCH"
	version  = 1
	printLen = 8 // bytes of deflaterPrint
)

// Kinds of operations: the low two bits of their first number.
const (
	other = iota
	cp
	add
	insert
)

// What an operation of kind other does: the rest of its first number.
const (
	end = iota
	srcOld
	srcInflated
	sinkPlain
	sinkDeflate
	seek
)

// Parts of a frame.
const (
	ops = iota
	diffs
	literals
	parts
)

const (
	maxPart     = 4 << 20  // bytes of a part of a frame
	maxOp       = 64       // bytes of an operation
	maxInflated = 32 << 20 // bytes that a region of old may inflate to: the applier holds one of them in memory
	minLevel    = -2       // of compress/flate
	maxLevel    = 9
	minCopy     = 32 // equal bytes that are worth an operation of their own
)

var (
	// ErrForm says that a patch is not one, or not one for these files.
	ErrForm = errors.New("malformed patch")
	// ErrVersion says that a patch is of a form, or counts on a deflate, that this program does not have.
	ErrVersion = errors.New("patch of another version")
	// ErrResult says that the result is not what it should be.
	ErrResult = errors.New("patch makes something else")
)

// inflateMost is how many bytes a patch may have inflated and deflated to make size bytes.
func inflateMost(size int64) int64 { return 4*size + maxInflated }

// startCost is what it counts as to start to inflate or to deflate, in bytes that are: it takes about as long, and may be all that there is.
const startCost = 4 << 10

// unpackMost is how many bytes the parts of a patch may unpack to, in all, to make size bytes. An
// honest patch needs less than three for each byte that it makes.
func unpackMost(size int64) int64 { return 4*(size+inflateMost(size)) + maxPart }
