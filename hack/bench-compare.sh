#!/bin/sh
# Runs the Go benchmarks here and at another commit, and compares them with benchstat:
# the last commit when there are uncommitted changes, else the one before it. Run by
# `make bench-compare`; BASE=COMMIT chooses another one, COUNT (6) how often each is run,
# BENCH a pattern of those to run.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BASE:-}" ]; then
	BASE=HEAD
	if git diff --quiet HEAD && [ -z "$(git ls-files --others --exclude-standard)" ]; then BASE=HEAD~1; fi
fi
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$BASE"
run() {
	packages=$(git grep --untracked -l '^func Benchmark' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')
	# shellcheck disable=SC2086 # one word for each package
	go test -run '^$' -bench "${BENCH:-.}" -benchmem -count "${COUNT:-6}" $packages
}
echo "benchmarks at $(git log -1 --format='%h %s' "$BASE") …" >&2
(cd "$work/base" && run) >"$work/before.txt"
echo "benchmarks here …" >&2
run >"$work/after.txt"
bin/benchstat "before=$work/before.txt" "after=$work/after.txt"
