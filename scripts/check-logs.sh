#!/usr/bin/env bash
# Fails where a token, a private key or an API secret stands in a log of the given folder.
set -euo pipefail
folder=${1:?which folder of logs?}

# A whole compact JWS; a PEM header, plain and in base64; a JWK's private member; an API token; the SDKs' test key.
secrets='eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}|BEGIN (RSA |EC )?PRIVATE KEY|LS0tLS1CRUdJTi|"d" ?: ?"[A-Za-z0-9_-]{40,}|vpt_[0-9a-f]{16}_[A-Za-z0-9_-]{20,}|144c9defac04969c7bfad8efaa8ea194'

# A search that finds nothing proves little before it has found something.
planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
for line in "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ2MSJ9.c2lnbmF0dXJlLW9mLXRoaXM" "-----BEGIN PRIVATE KEY-----" "vpt_0123456789abcdef_abcdefghijklmnopqrstu"; do
  echo "$line" >"$planted"
  grep -qE "$secrets" "$planted" || { echo "the search for secrets does not find a planted one" >&2; exit 1; }
done

files=$(find "$folder" -type f | wc -l)
[ "$files" -gt 0 ] || { echo "there is no log in $folder" >&2; exit 1; }
if found=$(grep -rnEl "$secrets" "$folder"); then
  echo "secrets stand in these logs:" >&2
  echo "$found" >&2
  exit 1
fi
echo "no token, private key or API secret in $files logs"
