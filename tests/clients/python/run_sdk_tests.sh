#!/bin/bash
# The Python SDK's own tests for stream tokens and signing keys, from its source distribution,
# unmodified, against $VIDPASS_URL.
#
# They bring their own credentials and ids. The server must have the account
# 023e105f4ecef8ad9ca31a8372d0c353 with a live signing key of the same id, and the API key
# 144c9defac04969c7bfad8efaa8ea194 of user@example.com. They delete that signing key many times over.
set -euo pipefail
cd "$(dirname "$0")"

python=$PWD/.venv/bin/python
cd .venv/sdk-source
unset CLOUDFLARE_API_TOKEN CLOUDFLARE_API_KEY CLOUDFLARE_EMAIL
TEST_API_BASE_URL="$VIDPASS_URL/client/v4" exec "$python" -m pytest -q -n 0 -p no:cacheprovider \
    tests/api_resources/stream/test_token.py tests/api_resources/stream/test_keys.py
