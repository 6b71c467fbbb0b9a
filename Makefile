# nosa: every target is a line that a person could type. `make` alone lists them.

GO := $(shell command -v go 2>/dev/null || ls /usr/local/go/bin/go 2>/dev/null || ls /usr/lib/go/bin/go 2>/dev/null)
# How nosa is compiled. What only compiles, or is not run with -race, does the same: once is enough.
STATIC := CGO_ENABLED=0 GOFLAGS=-trimpath
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
PREFIX ?= /usr/local
WS ?= demo
TOOLS := $(CURDIR)/.tools
GOLANGCI_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOFUMPT := $(TOOLS)/gofumpt-$(GOFUMPT_VERSION)

# The go command also runs inside .ci/gotest and golangci-lint.
export PATH := $(if $(GO),$(dir $(GO)):)$(PATH)

.DEFAULT_GOAL := help
.PHONY: image image-base screenshots testdata help deps deps-test go build demo test test-full unit e2e e2e-full fuzz bench lint fmt golden install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what nosa needs to run and this machine lacks (apt or dnf; needs root)
	assets/deps/install.sh

deps-test: ## deps, and what the tests need
	assets/deps/install.sh --test

go:
	@test -n "$(GO)" || { echo "go is not installed: unpack Go 1.26 or later from https://go.dev/dl/ to /usr/local/go, or put it on PATH" >&2; exit 12; }

build: go ## build bin/nosa, bin/nosa-tui and bin/nestos-installer (static)
	$(STATIC) $(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

demo: build ## sample system in ./demo, from packages to a checked boot, then the workbench over it; a second run is quick
	@case "$$(bin/nosa backend 2>/dev/null)" in podman:*|docker:*) ;; *) assets/deps/install.sh ;; esac
	@bin/nosa backend
	test -d demo/src || bin/nosa -C demo init --sample
	test -d demo/pool || bin/nosa -C demo pool create
	bin/nosa -C demo fetch
	bin/nosa -C demo build
	bin/nosa -C demo check
	@if [ -t 0 ] && [ -t 1 ]; then bin/nosa-tui -C demo; else echo 'the workbench over it: bin/nosa-tui -C demo'; fi

image: build ## the container image that nosa builds in, from BASE (openEuler 24.03 LTS) by ENGINE (podman, else docker)
	bin/nosa $(if $(ENGINE),--backend $(ENGINE)) image build $(if $(BASE),--base $(BASE))

image-base: build ## a Debian base for it from a mirror: BASE=localhost/nosa-base:bookworm
	bin/nosa $(if $(ENGINE),--backend $(ENGINE)) image base

test: deps-test build unit lint e2e ## what CI runs: build, vet, unit tests with -race, lint, one end-to-end pass
	.ci/summary

test-full: deps-test build unit lint e2e-full fuzz ## test, and everything that takes long
	.ci/summary

unit: go
	@rm -rf tmp/test
	$(STATIC) $(GO) vet -tags e2e,record ./...
	.ci/gotest unit -race ./...

# Tests behind the build tag e2e want root, network or QEMU. Those named
# TestE2E… are the one pass of `make test`; `make test-full` runs all.
e2e: go
	$(STATIC) NOSA_POOL_CACHE=$(CURDIR)/tmp/poolcache .ci/gotest e2e -tags e2e -p 1 -timeout 40m -run '^TestE2E' \
		$$(grep -rl --include='*_test.go' '^func TestE2E' . | xargs -n1 dirname | sort -u)

e2e-full: build
	NOSA_POOL_CACHE=$(CURDIR)/tmp/poolcache bin/nosa pool create tmp/pool
	NOSA_POOL_CACHE=$(CURDIR)/tmp/poolcache NOSA_TEST_POOL=$(CURDIR)/tmp/pool/repo .ci/gotest e2e-full -tags e2e -p 1 -timeout 120m ./...

fuzz: go ## every fuzz target for FUZZTIME (10m) with FUZZJOBS workers; what is found is committed
	.ci/fuzz ./...

bench: go ## benchmarks, as ratios in one run
	.ci/bench -tags e2e -p 1 -run '^$$' -bench . -benchtime 1x -timeout 60m ./...

lint: $(GOLANGCI) ## golangci-lint, pinned
	$(STATIC) $(GOLANGCI) run ./...

fmt: $(GOFUMPT) ## format all Go files
	$(GOFUMPT) -l -w .

golden: go ## rewrite the golden files
	$(GO) test $$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"|tuitest\.Golden' . | xargs -r -n1 dirname | sort -u) -update

screenshots: build ## pictures of the workbench over the workspace WS (./demo), into docs/screenshots
	$(GO) test -tags record ./tui/tuitest -run '^TestScreenshots$$' -screenshots $(CURDIR)/docs/screenshots -workspace $(abspath $(WS))

testdata: build ## what the screens are tested on, recorded anew from the workspace WS (./demo)
	$(GO) test ./tui/builds ./tui/stages ./tui/source -run '^TestRecord$$' -record $(abspath $(WS)) -nosa $(CURDIR)/bin/nosa
	$(MAKE) golden

install: build ## install to PREFIX (/usr/local)
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin bin/*

clean: ## remove what make made (not ./demo)
	rm -rf bin .tools tmp/test

$(GOLANGCI): | go
	$(STATIC) GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(GOFUMPT): | go
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv $(TOOLS)/gofumpt $@
