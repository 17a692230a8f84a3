#!/bin/sh
# Makes the pairs that BenchmarkPatch is run on in a directory, from the Go module proxy: builds of three versions of
# nats-server, two Go toolchains as tar, and a larger file of both, whose parts move. Installs bsdiff, xdelta3 and zstd where they are missing.
set -eu
dir=$1
mkdir -p "$dir"
for tool in bsdiff xdelta3 zstd; do
	command -v $tool >/dev/null || apt-get install -y $tool
done
for v in 2.15.0 2.15.1 2.15.2; do
	[ -f "$dir/nats-$v" ] && continue
	src=$(go mod download -json github.com/nats-io/nats-server/v2@v$v | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	copy=$(mktemp -d)
	cp -r "$src/." "$copy"
	chmod -R u+w "$copy"
	(cd "$copy" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -o nats-server .)
	mv "$copy/nats-server" "$dir/nats-$v"
	rm -rf "$copy"
done
for v in 1.26.6 1.26.7; do
	[ -f "$dir/go-$v.tar" ] && continue
	src=$(go mod download -json golang.org/toolchain@v0.0.1-go$v.linux-amd64 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=ustar -C "$src" -cf "$dir/go-$v.tar" .
done
[ -f "$dir/large-1" ] || cat "$dir/go-1.26.6.tar" "$dir/nats-2.15.1" "$dir/nats-2.15.1" >"$dir/large-1"
[ -f "$dir/large-2" ] || cat "$dir/nats-2.15.2" "$dir/go-1.26.7.tar" "$dir/nats-2.15.2" >"$dir/large-2"
