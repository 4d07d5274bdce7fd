"""What every program here shares: where the server is, its API without an SDK, and checks."""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["VIDPASS_URL"]
ACCOUNT = os.environ["VIDPASS_ACCOUNT_ID"]
API_TOKEN = os.environ["VIDPASS_API_TOKEN"]
VIDEO = os.environ["VIDPASS_VIDEO_ID"]

_checks = 0


def check(what, actual, expected):
    """Prints one line, or ends the program. Nobody may put a token or a key in an argument."""
    global _checks
    if actual != expected:
        sys.exit(f"FAIL {what}: got {actual!r}, expected {expected!r}")
    _checks += 1
    print(f"ok   {what}")


def passed(program):
    print(f"{program}: {_checks} checks passed")


def now():
    return int(time.time())


def api(method, path, body=None):
    """One call below the account; its `result`."""
    request = urllib.request.Request(
        f"{URL}/client/v4/accounts/{ACCOUNT}{path}",
        method=method,
        headers={"Authorization": f"Bearer {API_TOKEN}", "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"FAIL {method} {path}: {error.code} {error.read().decode()}")


def public_keys():
    """The account's JWK set, which needs no credentials."""
    with urllib.request.urlopen(f"{URL}/client/v4/accounts/{ACCOUNT}/.well-known/jwks.json") as response:
        return json.load(response)


def issue(options=None):
    return api("POST", f"/stream/{VIDEO}/token", options or {})["token"]


def jwk_of(key):
    """The private key of an answer of POST /stream/keys, as a JWK."""
    return json.loads(base64.b64decode(key["jwk"]))


def gate(token, path="manifest/video.m3u8"):
    """What the gate says to a token: "200", "206", or a status with the denial's code."""
    request = urllib.request.Request(f"{URL}/{token}/{path}")
    if path.endswith(".mp4"):
        request.add_header("Range", "bytes=0-0")
    try:
        with urllib.request.urlopen(request) as response:
            response.read()
            return str(response.status)
    except urllib.error.HTTPError as error:
        denial = json.load(error)
        if error.headers["X-Vidpass-Denial"] != denial["code"] or not denial["message"]:
            return f"{error.code} with header {error.headers['X-Vidpass-Denial']} and body {denial}"
        return f"{error.code} {denial['code']}"
