#!/usr/bin/env bash
# Fails where a generated file differs from what the program makes now; --write makes them anew.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked
vidpass="${CARGO_TARGET_DIR:-target}/debug/vidpass"
status=0
made() { # file, command
  if [ "${write:-}" = 1 ]; then
    $2 >"$1"
  elif ! diff -u "$1" <($2) >&2; then
    echo "$1 is not what \`$2\` makes; run: scripts/check-generated.sh --write" >&2
    status=1
  fi
}
[ "${1:-}" = --write ] && write=1
made docs/openapi.json "$vidpass openapi"
made docs/cli.md "$vidpass cli-reference"
exit "$status"
