# Everything here works on a machine that has only Go and make.
GO       ?= go
BIN      := bin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s

# One set of flags for all, so that what one target compiled serves the others.
export CGO_ENABLED = 0
export GOFLAGS += -trimpath

.PHONY: all build selvage mutants replay examples demo test soak kills lab race lint bench bench-lab bench-sim bench-patch fuzz clean
all: build

build: selvage mutants replay ## bin/selvage, and beside it what it uses: the functions of the demo, the simulator in WASM, the program with the mutants

selvage: examples
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/selvage ./cmd/selvage

mutants: ## the same with known bugs, for 'selvage sim mutants'
	$(GO) build -tags mutants -ldflags '$(LDFLAGS)' -o $(BIN)/selvage-mutants ./cmd/selvage

examples:
	for v in v1 v2 v3; do \
	  GOOS=wasip1 GOARCH=wasm $(GO) build -ldflags "-s -w -X main.version=$$v" -o $(BIN)/hello-$$v.wasm ./examples/hello || exit 1; \
	done

replay: ## the simulator as a WASM module, for 'selvage sim replay'
	$(GO) run ./internal/wasip1 -o $(BIN)/selvage-replay.wasm ./cmd/selvage-replay

demo: selvage ## three sites on this machine: a release, a cut, a heal, a crash
	$(BIN)/selvage demo

test: ## unit tests, the small scenarios of the simulator, the command line
	$(GO) test ./...

SEEDS ?= 20
soak: build ## the lease's models that take minutes, the mutants, every scenario under SEEDS seeds, and the long ones once
	SELVAGE_DEEP=1 $(GO) test -count=1 -run '^Test(Models|Mutants)$$' -timeout 60m -v ./ledger/lease
	$(GO) test -count=1 -run '^TestDeep$$' -timeout 60m ./ledger/lease -rapid.checks=20000
	$(BIN)/selvage sim mutants --seeds $(SEEDS)
	$(BIN)/selvage sim sweep simulator/scenarios/*.yaml --seeds $(SEEDS)
	$(BIN)/selvage sim sweep $(filter-out %/two-hundred-sites.yaml,$(wildcard simulator/scenarios/long/*.yaml)) --seeds 1
	$(BIN)/selvage sim run simulator/scenarios/long/two-hundred-sites.yaml # alone: 9 minutes of two cores, 17 GB

KILLS ?= 200
kills: ## a real node is killed KILLS times while it fetches and imports; a line says how often in the middle of it
	SELVAGE_KILLS=$(KILLS) $(GO) test -count=1 -run '^TestKills$$' -timeout 60m -v ./cmd/selvage

lab: ## one story in virtual time and in network namespaces, side by side: makespans within 15%; the virtual network against the kernel's. As root
	$(GO) test -count=1 -run TestKernel -v ./simulator/netns/lab
	SELVAGE_LAB=1 $(GO) test -count=1 -run 'TestReal(Singleton|Turns|Engines)' -v ./cmd/selvage

race: ## the same under the race detector; needs a C compiler
	CGO_ENABLED=1 $(GO) test -race ./...

lint: ## gofmt, vet for this machine and for one of 32 bits, staticcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "not gofmt-ed: $$files"; exit 1; }
	$(GO) vet ./...
	GOARCH=arm $(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: ## figures and ratios of every room, each measured beside its limit
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 20m ./...

bench-lab: selvage ## what is promised of distribution, measured with the real program in network namespaces. As root; 12 minutes
	SELVAGE_LAB=$(CURDIR)/$(BIN)/selvage $(GO) test -count=1 -run '^TestLab$$' -timeout 40m -v ./cmd/selvage

SITES ?= 40
bench-sim: ## the simulator's speed and size: idle fleets, 1 GB among 100 hosts, SITES sites of 5 nodes, a replay
	$(GO) test -run '^$$' -bench 'IdleFleet' -benchtime 1x ./simulator/native
	$(GO) test -run '^$$' -bench 'QUIC' -benchtime 1x ./simulator/network
	SELVAGE_SITES=$(SITES) $(GO) test -run '^$$' -bench 'LargeFleet' -benchtime 1x -timeout 60m -v ./simulator/native
	$(GO) test -run '^$$' -bench 'Replay' -benchtime 1x ./simulator/replay

PAIRS ?= /tmp/selvage-patch-pairs
bench-patch: ## patches between real versions, beside bsdiff, xdelta3 and zstd; fetches and builds them in PAIRS, installs those
	distribute/patch/pairs.sh $(PAIRS)
	SELVAGE_OLD=$(PAIRS)/nats-2.15.1 SELVAGE_NEW=$(PAIRS)/nats-2.15.2 $(GO) test -run '^$$' -bench Patch -benchtime 1x -timeout 20m ./distribute/patch
	SELVAGE_OLD=$(PAIRS)/go-1.26.6.tar SELVAGE_NEW=$(PAIRS)/go-1.26.7.tar $(GO) test -run '^$$' -bench Patch -benchtime 1x -timeout 20m ./distribute/patch
	SELVAGE_OLD=$(PAIRS)/large-1 SELVAGE_NEW=$(PAIRS)/large-2 $(GO) test -run '^$$' -bench 'Patch|Reference' -benchtime 1x -timeout 20m ./distribute/patch
	SELVAGE_OLD=$(PAIRS)/nats-2.15.0 SELVAGE_NEW=$(PAIRS)/nats-2.15.2 $(GO) test -count=1 -run VersionAfterTheNext -v ./distribute

fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

clean:
	rm -rf $(BIN)
