package media

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
)

const (
	maxFolder = 256 << 10 // bytes
	// MaxDocument bounds a document, bytes.
	MaxDocument = 128 << 10
	// maxDocuments bounds all that comes before the blobs, bytes.
	maxDocuments = 32 << 20
)

// entry is what a directory has under a name.
type entry struct {
	name string
	cid  cid.Cid
	tree uint64 // bytes of all blocks below, as the link says
}

// encodeFolder writes a directory whose entries are in the order of their names.
func encodeFolder(entries []entry) ([]byte, error) {
	node := merkledag.NodeWithData(unixfs.FolderPBData())
	if err := node.SetCidBuilder(merkledag.V1CidPrefix()); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := node.AddRawLink(e.name, &format.Link{Size: e.tree, Cid: e.cid}); err != nil {
			return nil, err
		}
	}
	data, err := node.EncodeProtobuf(false)
	if err == nil && len(data) > maxFolder {
		err = fmt.Errorf("%d entries are more than one file takes", len(entries))
	}
	return data, err
}

// decodeFolder reads what encodeFolder writes, and nothing else.
func decodeFolder(data []byte) ([]entry, error) {
	node, err := merkledag.DecodeProtobuf(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	var entries []entry
	for _, l := range node.Links() {
		p := l.Cid.Prefix()
		if p.Version != 1 || p.MhType != multihash.SHA2_256 || p.MhLength != 32 || p.Codec != cid.Raw && p.Codec != cid.DagProtobuf {
			return nil, fmt.Errorf("%w: entry %.80q has a CID of another kind", ErrForm, l.Name)
		}
		if len(entries) > 0 && strings.Compare(entries[len(entries)-1].name, l.Name) >= 0 {
			return nil, fmt.Errorf("%w: entry %.80q is out of order", ErrForm, l.Name)
		}
		entries = append(entries, entry{l.Name, l.Cid, l.Size})
	}
	if again, err := encodeFolder(entries); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("%w: a directory that is not in its one form", ErrForm)
	}
	return entries, nil
}
