#!/bin/bash
# OpenSSL's own commands verify a token that vidpass issued, and sign one that the gate accepts.
# Prints one line per check; exits 1 at the first that fails.
set -euo pipefail

readonly API="$VIDPASS_URL/client/v4/accounts/$VIDPASS_ACCOUNT_ID/stream"
work=$(mktemp -d)
checks=0

main() {
    api -X POST "$API/keys" >"$work/key.json"
    kid=$(jq -r .result.id "$work/key.json")
    trap 'api -X DELETE "$API/keys/$kid" >"$work/deleted"; rm -rf "$work"' EXIT
    jq -r .result.pem "$work/key.json" | base64 -d >"$work/key.pem"
    check "the pem is PKCS#1" "$(head -1 "$work/key.pem")" "-----BEGIN RSA PRIVATE KEY-----"
    check "OpenSSL finds the key consistent" "$(openssl rsa -in "$work/key.pem" -check -noout)" "RSA key ok"
    openssl rsa -in "$work/key.pem" -pubout -out "$work/public.pem" 2>"$work/log"

    jq '{id: .result.id, pem: .result.pem}' "$work/key.json" |
        api -d @- "$API/$VIDPASS_VIDEO_ID/token" | jq -r .result.token >"$work/token"
    check "an issued token verifies" "$(verified "$work/token")" "Verified OK"
    echo "$(cut -d. -f1,2 "$work/token").$(cut -d. -f3 "$work/token" | tr 'A-Za-z' 'B-ZAb-za')" >"$work/changed"
    check "a changed token does not" "$(verified "$work/changed")" "Verification failure"

    sign "$(jq -nc --arg sub "$VIDPASS_VIDEO_ID" --arg kid "$kid" '{$sub, $kid, exp: (now + 3600 | floor)}')" >"$work/own"
    check "a token signed by OpenSSL plays" "$(gate "$work/own")" "200"
    sign "$(jq -nc --arg sub "$VIDPASS_VIDEO_ID" --arg kid "$kid" '{$sub, $kid, exp: (now - 1 | floor)}')" >"$work/late"
    check "an expired one does not" "$(gate "$work/late")" "401 token_expired"
    echo "OpenSSL: $checks checks passed"
}

api() {
    curl -sS --fail-with-body -H "Authorization: Bearer $VIDPASS_API_TOKEN" -H 'Content-Type: application/json' "$@"
}

gate() { # gate TOKEN-FILE: the status, and the denial's code
    local status
    status=$(curl -sS -o "$work/answer" -w '%{http_code}' "$VIDPASS_URL/$(<"$1")/manifest/video.m3u8")
    [ "$status" = 200 ] && echo 200 || echo "$status $(jq -r .code "$work/answer")"
}

verified() { # verified TOKEN-FILE: what OpenSSL says
    local signature
    signature=$(cut -d. -f3 "$1" | tr '_-' '/+')
    while ((${#signature} % 4)); do signature+='='; done
    base64 -d <<<"$signature" >"$work/signature"
    printf %s "$(cut -d. -f1,2 "$1")" |
        openssl dgst -sha256 -verify "$work/public.pem" -signature "$work/signature" 2>"$work/log" || true
}

sign() { # sign PAYLOAD: a token
    local input
    input="$(base64url <<<"{\"alg\":\"RS256\",\"kid\":\"$kid\"}").$(base64url <<<"$1")"
    echo "$input.$(printf %s "$input" | openssl dgst -sha256 -sign "$work/key.pem" | base64url)"
}

base64url() {
    base64 -w0 | tr '/+' '_-' | tr -d '='
}

check() { # check WHAT ACTUAL EXPECTED
    [ "$2" = "$3" ] || { echo "FAIL $1: got '$2', expected '$3'" >&2; exit 1; }
    checks=$((checks + 1))
    echo "ok   $1"
}

main
