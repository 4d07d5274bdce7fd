#!/usr/bin/env bash
# Shows that the layers hold: no crate reaches what its layer must never know, directly or through another.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# crate: what must not be in its tree of normal dependencies
rules='
vidpass-token: tokio axum http hyper sqlx tracing vidpass-rsa-batch vidpass-api-types vidpass-store vidpass-api vidpass-gate vidpass
vidpass-rsa-batch: tokio axum http hyper sqlx tracing vidpass-api-types vidpass-store vidpass-api vidpass-gate vidpass
vidpass-api-types: axum sqlx tokio vidpass-rsa-batch vidpass-store vidpass-api vidpass-gate vidpass
vidpass-store: axum http hyper vidpass-rsa-batch vidpass-api-types vidpass-api vidpass-gate vidpass
vidpass-api: vidpass-gate vidpass
vidpass-gate: sqlx vidpass-rsa-batch vidpass-store vidpass-api vidpass-api-types vidpass
'
# crate: what it must not name as its own dependency, though it may come through a layer below
direct='
vidpass-api: sqlx
vidpass: sqlx
'

broken=0
check() { # what it is, crate, its dependencies, the forbidden ones
  for forbidden in $4; do
    if grep -qx "$forbidden" <<<"$3"; then
      echo "broken: $2 $1 $forbidden" >&2
      broken=1
    fi
  done
}
while IFS=: read -r crate forbidden; do
  [ -n "$crate" ] || continue
  tree=$(cargo tree --locked -p "$crate" -e normal --prefix none --format '{lib}|{p}' | sed 's/^[^|]*|//; s/ .*//' | sort -u)
  before=$broken
  broken=0
  check "reaches" "$crate" "$(grep -vx "$crate" <<<"$tree")" "$forbidden"
  [ "$broken" = 0 ] && echo "holds: $crate, $(wc -l <<<"$tree") crates in its tree"
  broken=$((before | broken))
done <<<"$rules"
while IFS=: read -r crate forbidden; do
  [ -n "$crate" ] || continue
  check "names" "$crate" "$(cargo tree --locked -p "$crate" -e normal --depth 1 --prefix none | sed 's/ .*//' | sort -u)" "$forbidden"
done <<<"$direct"

# What a dependency list cannot show, in what is not a test.
names() { # pattern, files
  local pattern=$1
  shift
  find "$@" -name '*.rs' ! -name tests.rs ! -name wycheproof.rs ! -path '*/tests/*' |
    xargs awk -v pattern="$pattern" 'FNR == 1 { test = 0 } /#\[cfg\(test\)\]/ { test = 1 } !test && $0 ~ pattern { print FILENAME ":" FNR ": " $0 }'
}
reads_clock=$(names '(SystemTime|Instant|Timestamp|Zoned)::now|std::(fs|env|net::(Tcp|Udp))|std::[{]([^}]*[ ,])?(fs|env)[ ,:}]' crates/token/src)
speaks_sql=$(names '"(SELECT|INSERT INTO|UPDATE|DELETE FROM)( |$)|^ *(SELECT|INSERT INTO|DELETE FROM) ' crates/token crates/api-types crates/api crates/gate crates/vidpass)
private_keys=$(names 'SigningKey' crates/gate/src)
for found in "$reads_clock" "$speaks_sql" "$private_keys"; do
  if [ -n "$found" ]; then
    echo "broken: $found" >&2
    broken=1
  fi
done
[ "$broken" = 0 ] && echo "all layers hold"
exit "$broken"
