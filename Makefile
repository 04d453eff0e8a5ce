# Every target that has a line starting with ## above it is listed by `make help`.
.DEFAULT_GOAL := help
.PHONY: help build test race lint fmt bench fuzz demo tour clean

BIN      := bin/ordeal
GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X github.com/ordeal-dev/ordeal/harness/cli.Version=$(VERSION)
GOLANGCI := v2.15.0
TOOLS    := $(CURDIR)/bin/tools
FUZZTIME ?= 20s

## help: list the targets
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  %-8s %s\n", $$1, $$2}'

## build: build the static binary bin/ordeal
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ordeal

# The tests of whole runs measure how soon things heal, so nothing runs beside them.
ALONE  := ./internal/acceptance
OTHERS := $(GO) list ./... | grep -v /internal/acceptance

## test: run all tests; Docker tests need an engine and must run when CI=true
test: build
	$(GO) test -timeout 10m $$($(OTHERS))
	$(GO) test -timeout 10m $(ALONE)

## race: run all tests but the long sweeps under the race detector
race: build
	$(GO) test -race -short -timeout 15m $$($(OTHERS))
	$(GO) test -race -short -timeout 15m $(ALONE)

## lint: check formatting, vet, and the linters of .golangci.yml
lint: $(TOOLS)/golangci-lint-$(GOLANGCI)
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted, run make fmt:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOLS)/golangci-lint-$(GOLANGCI) run ./...

## fmt: format the code
fmt:
	gofmt -w $$(git ls-files '*.go')

## bench: print the figures that the README quotes
bench: build
	$(GO) run ./internal/bench -bin $(BIN)

## fuzz: run every fuzz target for FUZZTIME (20s each)
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

## demo: the store in cp and in ap under faults, and what that does to it
demo: build
	$(BIN) demo

## tour: what each target trades away, and that seeded bugs are found
tour: build
	$(BIN) tour

## clean: remove what was built, runs, and leftovers in Docker
clean:
	@if [ -x $(BIN) ]; then $(BIN) clean || true; fi
	rm -rf bin runs

$(TOOLS)/golangci-lint-$(GOLANGCI):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(TOOLS)/golangci-lint $@
