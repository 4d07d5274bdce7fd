#!/usr/bin/env bash
# Two issuers and eight gates on one PostgreSQL, killed, cut off and told to forget, in an optimised build. Prints what it measured;
# takes about 16 minutes after the build.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/logs
cargo build --profile large-tests --locked
cargo test --profile large-tests --locked -p vidpass-gate --lib -- --ignored --nocapture large_ | grep cluster:
cargo test --profile large-tests --locked -p vidpass-tests --test it -- --ignored --test-threads 1 --nocapture large_ | grep -vE '^(running|$)'
