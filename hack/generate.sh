#!/bin/sh
# Generates deepcopy functions and CRDs from internal/eso. Run by `make generate`.
set -eu
cd "$(dirname "$0")/.."
bin/controller-gen object paths=./internal/eso/...
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT
bin/controller-gen crd paths=./internal/eso/... output:crd:dir="$raw"
go run ./hack/crds "$raw" manifests/crds
