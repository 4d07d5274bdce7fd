#!/usr/bin/env bash
# A migration that was released may have run somewhere: later ones are added, none is edited or removed.
set -euo pipefail
cd "$(dirname "$0")/.."
released=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
if [ -z "$released" ]; then
  echo "no release yet: migrations may still change"
  exit 0
fi
changed=$(git diff --name-only --diff-filter=MDR "$released" -- crates/store/migrations)
[ -z "$changed" ] || { echo "changed since $released: $changed" >&2; exit 1; }
