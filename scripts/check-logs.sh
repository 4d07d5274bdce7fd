#!/usr/bin/env bash
# Fails where a token, a private key or an API secret stands in a log of the given folder.
set -euo pipefail
export LC_ALL=C
folder=${1:?which folder of logs?}

# What is searched for, and an example of it: a search that finds nothing proves little before it has found something.
searches=(
  # a whole compact JWS
  'eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}' 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ2MSJ9.c2lnbmF0dXJlLW9mLXRoaXM'
  # a private key in PEM, plain and in base64
  'BEGIN (RSA |EC )?PRIVATE KEY' '-----BEGIN RSA PRIVATE KEY-----'
  'LS0tLS1CRUdJTi' 'LS0tLS1CRUdJTiBSU0E'
  # a private JWK, plain and in base64
  '"d" ?: ?"[A-Za-z0-9_-]{40,}' '"d":"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"'
  'eyJ1c2UiOiJzaWci' 'eyJ1c2UiOiJzaWciLCJrdHkiOiJSU0EiLC'
  # an API token, and an API key: 40 hex digits, or the one that the SDKs bring
  'vpt_[0-9a-f]{16}_[A-Za-z0-9_-]{20,}' 'vpt_0123456789abcdef_abcdefghijklmnopqrstu'
  # a gate credential, and a master key of `openssl rand -base64 32`, which stands alone
  'vpg_[0-9a-f]{16}_[A-Za-z0-9_-]{20,}' 'vpg_0123456789abcdef_abcdefghijklmnopqrstu'
  '(^|[^A-Za-z0-9+/])[A-Za-z0-9+/]{43}=([^=]|$)' 'yGOJ3wVb1cRz0nD5xL8pQmT4uF7hK2sA9eW6tY1iO3U='
  # but for the compiler's own commit, which stands in a backtrace
  '(?<![0-9a-f])(?<!/rustc/)[0-9a-f]{40}(?![0-9a-f])' '0123456789abcdef0123456789abcdef01234567'
  '144c9defac04969c7bfad8efaa8ea194' '144c9defac04969c7bfad8efaa8ea194'
)

files=$(find "$folder" -type f | wc -l)
[ "$files" -gt 0 ] || { echo "there is no log in $folder" >&2; exit 1; }
status=0
for ((i = 0; i < ${#searches[@]}; i += 2)); do
  search=${searches[i]}
  grep -qP -e "$search" <<<"${searches[i + 1]}" || { echo "the search $search does not find its own example" >&2; exit 1; }
  if found=$(grep -rlP -e "$search" "$folder"); then
    printf 'a secret (%s) stands in:\n%s\n' "$search" "$found" >&2
    status=1
  fi
done
[ "$status" = 0 ] && echo "no token, private key or API secret in $files logs"
exit "$status"
