// Package bundle puts files in place: a model, a web site, a configuration.
//
// The artifact's first bytes tell what it is. A tar, a gzip of a tar or a zip is unpacked; anything
// else is one file, named Artifact.File, or "file" if that is empty. The files lie in the
// workload's slot, and
//
//	run/<deployment>/current -> <slot>
//
// is switched to it in one step when all of them are on disk. A crash or an error at any moment
// leaves current on the old slot or on the new one, whole. Who reads the bundle opens
// current once, and then what is in it; the slot before stays until the next release.
//
// Directories are made 0755, files 0644 or, if the archive lets anyone execute them, 0755. Owners, times and
// extended attributes are not kept.
//
// # What is refused
//
// An archive is refused whole, with ErrInvalid, and leaves nothing, if it holds
//
//   - a name that is absolute, holds "..", a backslash or a zero byte, or is longer than 1,024 bytes
//   - one name twice, or a name below that of a file or a link
//   - a symbolic link whose target is absolute, or rises above the bundle; ".." may stand only at
//     the target's beginning, since after a name it could rise from wherever that name, a link
//     itself, leads
//   - a hard link, a device, a socket or a pipe
//   - more than 20,000 entries
//   - more than 100 times the archive's own size plus 64 MiB, or more than 4 GiB
//
// A single file may have any size. Links are made last, so nothing is ever written through one.
//
// # Singletons
//
// The files of a singleton (a workload with a Lease) lie in its slot on every node that has run it; the link
//
//	run/<deployment>/current             is there while the lease lasts
//	run/<deployment>/epoch               tells its token, in decimal; it is there before the link is, and stays
//
// A Keeper puts the link there and takes it away when Term.Run is over, and at the end of Term.Live or of the node at the
// latest; what is left by a power cut is gone before the node is up. Who reads a singleton's files reads epoch first, opens current then, and
// looks whether it is there still before each effect: that a link is gone stops nobody who has opened it.
//
// An instance is running for as long as its release is the current one. Stop leaves the files as they are; Remove
// deletes them.
package bundle
