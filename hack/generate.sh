#!/bin/sh
# Generates deepcopy functions and CRDs from internal/eso, and docs/reference.md from the
# commands, flags and metrics. Run by `make generate`;
# running it again changes nothing.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x bin/controller-gen ] || [ hack/tools/go.mod -nt bin/controller-gen ]; then
	go -C hack/tools build -o ../../bin/ sigs.k8s.io/controller-tools/cmd/controller-gen
	touch bin/controller-gen
fi
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT
bin/controller-gen object paths=./internal/eso crd paths=./internal/eso output:crd:dir="$raw"
go run ./hack/crds "$raw" manifests/crds
go run ./hack/docs docs/reference.md
