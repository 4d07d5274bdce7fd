"""Every call that vidpass shares with Cloudflare Stream's signed URLs, made with the official Python SDK.

Prints one line per check; exits 1 at the first that fails.
"""

import time

import cloudflare

from vidpass import ACCOUNT, API_TOKEN, URL, VIDEO, check, gate, now, passed


def main():
    client = new_client(API_TOKEN)
    key = client.stream.keys.create(account_id=ACCOUNT)
    check("create a key", (len(key.id), bool(key.pem), bool(key.jwk)), (32, True, True))
    check("the key has a date", abs(key.created.timestamp() - time.time()) < 60, True)
    check("the key is listed", listed(client, key.id), True)

    plain = issue(client, "no options")
    full = issue(
        client,
        "every option",
        access_rules=[
            {"type": "ip.geoip.country", "action": "block", "country": ["US", "MX"]},
            {"type": "ip.src", "action": "allow", "ip": ["127.0.0.0/8", "::1"]},
            {"type": "any", "action": "block"},
        ],
        downloadable=True,
        exp=now() + 7200,
        flags={"original": True},
        nbf=now() - 60,
    )
    own = issue(client, "own key", id=key.id, pem=key.pem)

    client.stream.downloads.create(VIDEO, account_id=ACCOUNT)
    check("a downloadable token opens the MP4", gate(full, "downloads/default.mp4"), "206")
    check("a plain token does not", gate(plain, "downloads/default.mp4"), "403 download_not_allowed")

    refused(client, "exp too far", "/exp", exp=now() + 2 * 86400)
    usa = {"type": "ip.geoip.country", "action": "block", "country": ["USA"]}
    refused(client, "unknown country", "/accessRules/0/country/0", access_rules=[usa])
    try:
        new_client("wrong").stream.token.create(VIDEO, account_id=ACCOUNT)
        check("wrong credentials are a typed error", "a token", "AuthenticationError")
    except cloudflare.AuthenticationError as error:
        check("wrong credentials are a typed error", error.status_code, 401)

    check("delete the key", type(client.stream.keys.delete(key.id, account_id=ACCOUNT)), str)
    check("the key is no longer listed", listed(client, key.id), False)
    check("its token is refused", gate(own), "401 key_unknown")
    check("the other tokens still play", gate(plain), "200")
    passed("Python SDK")


def new_client(api_token):
    return cloudflare.Cloudflare(base_url=f"{URL}/client/v4", api_token=api_token)


def issue(client, what, **options):
    token = client.stream.token.create(VIDEO, account_id=ACCOUNT, **options).token
    check(f"issue a token with {what}", type(token), str)
    check("it plays", gate(token), "200")
    return token


def refused(client, what, pointer, **options):
    try:
        client.stream.token.create(VIDEO, account_id=ACCOUNT, **options)
        check(f"{what} is a typed error", "a token", "BadRequestError")
    except cloudflare.BadRequestError as error:
        check(f"{what} is a typed error", error.status_code, 400)
        check(f"{what} has our code and pointer", [(e.code, e.source.pointer) for e in error.errors], [(10005, pointer)])
        check(f"{what} comes with our message ({error.errors[0].message})", bool(error.errors[0].message), True)


def listed(client, key_id):
    return any(key.id == key_id for key in client.stream.keys.get(account_id=ACCOUNT))


main()
