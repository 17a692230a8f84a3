// Package memdisk is a disk.FS in memory, for tests and simulations. It can be given a size, made
// to fail at any operation, and made to lose what was not synced, as a power cut does.
//
// # What a power cut leaves
//
// Bytes are kept in pages, each as it is now and as it was last synced. Crash keeps every synced
// page of 4 KiB, and decides for each that was written since whether it reached the disk.
//
// Each change of names (create, rename, remove) waits in a queue until SyncDir of a directory that
// it touches. Crash decides for each waiting change whether it reached the disk; a change never
// arrives without the earlier ones of the same names, and a rename arrives whole or not at all,
// as in a file system with a journal. SyncDir also makes the directory's own name durable, which
// POSIX does not promise but ext4, xfs and btrfs do.
package memdisk
