# kubectl-vaultsecret. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo v0.1.0-dev)
PKG     := vaultsecret.io/kubectl-vaultsecret
LDFLAGS := -s -w -X $(PKG)/internal/version.Version=$(VERSION)
GO      := CGO_ENABLED=0 go build -buildvcs=false -ldflags '$(LDFLAGS)'
TOOLS   := bin/controller-gen bin/staticcheck bin/gofumpt
SANDBOX ?= /tmp/vaultsecret-sandbox

.PHONY: help build test test-short lint generate check-generated demo walkthrough walkthrough-doc sandbox bench bench-go bench-compare fuzz release-snapshot image clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/kubectl-vaultsecret, bin/vaultsecret-controller and bin/sandbox
	@mkdir -p bin
	$(GO) -o bin/kubectl-vaultsecret ./cmd/kubectl-vaultsecret
	$(GO) -o bin/vaultsecret-controller ./cmd/vaultsecret-controller
	$(GO) -o bin/sandbox ./hack/sandbox
	@ln -sf kubectl-vaultsecret bin/kubectl_complete-vaultsecret

test: build ## Run every test, on a real etcd, kube-apiserver and Vault (built once, about 15 minutes when cold)
	bin/sandbox build
	go test -count=1 -timeout 40m -p 2 ./...

test-short: ## Run the tests of the pure packages only
	go test ./internal/eso ./internal/kv ./internal/redact ./internal/mapping ./internal/plan ./internal/diagnose ./internal/archtest

lint: bin/staticcheck bin/gofumpt ## Run gofumpt, go vet and staticcheck
	@out=$$(bin/gofumpt -l $$(git ls-files '*.go' | grep -v zz_generated)); if [ -n "$$out" ]; then echo "not gofumpt-ed:"; echo "$$out"; exit 1; fi
	go vet ./...
	bin/staticcheck ./...

generate: bin/controller-gen ## Generate deepcopy functions, CRDs and docs/reference.md
	hack/generate.sh

check-generated: generate ## Fail when `make generate` changes anything
	@git diff --exit-code --stat -- internal manifests docs || { echo "run 'make generate' and commit the result"; exit 1; }

demo: build ## From a sealed Vault to a synced Secret, rotated, broken, diagnosed and mended
	@bin/sandbox build --only etcd,kube-apiserver,kube-controller-manager,kubectl,vault,kwok
	@hack/demo/demo.sh

walkthrough: build ## The walkthrough on three servers of Vault with TLS: init, unseal, setup, rotate, restart
	@bin/sandbox build --only etcd,kube-apiserver,kube-controller-manager,kubectl,vault,kwok
	@hack/demo/walkthrough.sh

walkthrough-doc: ## Record docs/walkthrough.md anew from a run of the walkthrough
	go test -count=1 ./hack/demo -run '^TestThreeServers$$' -record

sandbox: build ## Keep the whole stack with the controller running in the foreground (Ctrl-C ends it)
	@bin/sandbox up --foreground --controller --dir $(SANDBOX)

BENCHFLAGS ?=
bench: build ## Measure the controller with 100 and 1000 mappings on the real stack, beside a bare loop (BENCHFLAGS=--help lists what to vary)
	@bin/sandbox build --only etcd,kube-apiserver,kube-controller-manager,kubectl,vault,kwok
	@mkdir -p dist
	go run ./hack/bench --json dist/bench.json $(BENCHFLAGS)

bench-go: ## Run the Go benchmarks with allocation counts
	go test -run '^$$' -bench . -benchmem $$(git grep -l '^func Benchmark' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')

bench-compare: bin/benchstat ## Compare the Go benchmarks with those of the last commit (BASE=COMMIT, COUNT=6, BENCH=PATTERN)
	hack/bench-compare.sh

fuzz: ## Run every fuzz target for FUZZTIME (default 30s)
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | sed 's/func //'); do \
	    echo "$$pkg $$target"; go test ./$$pkg -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-30s} || exit 1; done; done

release-snapshot: ## Build archives, checksums and the krew manifest into dist/
	go run ./hack/release --version $(VERSION) --out dist

image: ## Build the controller's container image (needs docker)
	GOOS=linux $(GO) -o dist/image/vaultsecret-controller ./cmd/vaultsecret-controller
	docker build -f hack/Dockerfile -t vaultsecret-controller:$(VERSION) dist/image

clean: ## Remove bin/ and dist/
	rm -rf bin dist

bin/controller-gen: hack/tools/go.mod
	go -C hack/tools build -o ../../bin/ sigs.k8s.io/controller-tools/cmd/controller-gen
bin/staticcheck: hack/tools/go.mod
	go -C hack/tools build -o ../../bin/ honnef.co/go/tools/cmd/staticcheck
bin/gofumpt: hack/tools/go.mod
	go -C hack/tools build -o ../../bin/ mvdan.cc/gofumpt
bin/benchstat: hack/tools/go.mod
	go -C hack/tools build -o ../../bin/ golang.org/x/perf/cmd/benchstat
