#!/usr/bin/env bash
# Runs every test, then looks for secrets in everything that they logged, and counts.
set -uo pipefail
cd "$(dirname "$0")/.."
rm -rf build/logs
mkdir -p build/logs
cargo build --locked || exit 1
cargo test --workspace --locked --no-fail-fast 2>&1 | tee build/logs/test-run.log
tests=${PIPESTATUS[0]}
scripts/check-logs.sh build/logs
logs=$?
count() { grep -E '^test result:' build/logs/test-run.log | grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }'; }
echo
skipped=$(grep -c '^SKIPPED:' build/logs/test-run.log)
echo "$(count passed) passed, $(($(count failed) + (logs != 0))) failed, $skipped skipped"
[ "$tests" = 0 ] && [ "$logs" = 0 ]
