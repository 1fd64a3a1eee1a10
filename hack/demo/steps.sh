# What the scripts beside this file share: commands that are printed before they run,
# steps, and an end that leaves nothing behind. It expects $root and $dir.
# shellcheck shell=bash disable=SC2154
cleanup() {
  code=$?
  "$root/bin/sandbox" down --dir "$dir/sandbox" >/dev/null 2>&1 || true
  rm -rf "$dir"
  if [ "$code" -ne 0 ]; then printf '\nThe demo stopped at: %s (exit %d)\n' "${step:-start}" "$code" >&2; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { step=$*; printf '\n\033[1m── %s\033[0m\n' "$*"; }
say() { printf '\033[2m%s\033[0m\n' "$*"; }
# run prints a command and runs it; run_fails wants it to exit with the given code.
run() { printf '$ %s\n' "$*"; "$@"; }
run_fails() {
  local want=$1 code=0; shift
  printf '$ %s\n' "$*"
  "$@" || code=$?
  if [ "$code" -ne "$want" ]; then echo "expected exit code $want, got $code"; return 1; fi
  say "(exit code $code, as it should be)"
}
done_step() { passed+=("$*"); }
random() { head -c 32 /dev/urandom | base64 | tr -d '\n=+/'; }
until_true() {
  local deadline=$((SECONDS + 30))
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then echo "gave up waiting for: $*"; return 1; fi
    sleep 0.1
  done
}
