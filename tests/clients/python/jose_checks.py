"""An independent JOSE library, PyJWT, agrees with vidpass in both directions.

It verifies what vidpass signs, and vidpass judges what it signs. Prints one line per check; exits 1 at the
first that fails.
"""

import json
import pathlib
import re

import jwt

from vidpass import VIDEO, api, check, gate, issue, jwk_of, now, passed, public_keys

SHAPES = pathlib.Path(__file__).parent.parent / "token-shapes.json"


def main():
    api("POST", f"/stream/{VIDEO}/downloads")
    key = api("POST", "/stream/keys")
    try:
        issued_tokens_verify(key)
        private_key = jwt.PyJWK(jwk_of(key))
        for shape in json.loads(SHAPES.read_text()):
            token = sign(fill(shape["payload"], key["id"]), fill(shape["header"], key["id"]), private_key)
            check(f"{shape['name']}: {shape['expected']}", gate(token, shape.get("path", "manifest/video.m3u8")), shape["expected"])
    finally:
        api("DELETE", f"/stream/keys/{key['id']}")
    for algorithm in ("ES256", "EdDSA"):
        other_algorithm(algorithm)
    passed("PyJWT")


def issued_tokens_verify(key):
    options = {
        "exp": now() + 7200,
        "nbf": now() - 60,
        "downloadable": True,
        "accessRules": [{"type": "ip.src", "action": "allow", "ip": ["127.0.0.0/8"]}, {"type": "any", "action": "block"}],
        "flags": {"original": True},
    }
    token = issue({"id": key["id"], "pem": key["pem"], **options})
    check("the header of an issued token", jwt.get_unverified_header(token), {"alg": "RS256", "kid": key["id"]})
    public_key = jwt.PyJWK({name: value for name, value in jwk_of(key).items() if name in ("kty", "alg", "n", "e")})
    claims = jwt.decode(token, public_key, algorithms=["RS256"], options={"require": ["sub", "exp", "nbf", "iat", "jti"]})
    check("it was issued now", abs(claims.pop("iat") - now()) < 60, True)
    check("it has an id", bool(claims.pop("jti")), True)
    check("its claims", claims, {"sub": VIDEO, "kid": key["id"], **options})


def other_algorithm(algorithm):
    """Issued here and verified with the published keys, and signed here and played."""
    key = api("POST", "/stream/keys", {"alg": algorithm})
    try:
        token = issue({"id": key["id"], "pem": key["pem"]})
        check(f"the header of a token of {algorithm}", jwt.get_unverified_header(token), {"alg": algorithm, "kid": key["id"]})
        public_key = jwt.PyJWKSet.from_dict(public_keys())[key["id"]]
        check(f"{algorithm} verifies", jwt.decode(token, public_key, algorithms=[algorithm])["sub"], VIDEO)
        check(f"{algorithm} plays", gate(token), "200")
        claims = {"sub": VIDEO, "kid": key["id"], "exp": now() + 600}
        own = jwt.encode(claims, jwt.PyJWK(jwk_of(key)), algorithm=algorithm, headers={"kid": key["id"]})
        check(f"{algorithm} of PyJWT plays", gate(own), "200")
    finally:
        api("DELETE", f"/stream/keys/{key['id']}")
    check(f"{algorithm} is refused without its key", gate(token), "401 key_unknown")


def sign(payload, header, private_key):
    # PyJWT adds a typ of its own unless told not to.
    return jwt.encode(payload, private_key, algorithm="RS256", headers={"typ": None, **header})


def fill(value, key_id):
    """Fills a shape in: node/shapes.mjs says how."""
    if isinstance(value, dict):
        return {name: fill(member, key_id) for name, member in value.items()}
    if isinstance(value, list):
        return [fill(item, key_id) for item in value]
    if not isinstance(value, str):
        return value
    time = re.fullmatch(r"('?)NOW([+-][\d.]+)?'?", value)
    if not time:
        return {"KID": key_id, "VIDEO": VIDEO, "OTHER": "0" * 32}.get(value, value)
    seconds = time[2] or "0"
    moment = now() + (float(seconds) if "." in seconds else int(seconds))
    return str(moment) if time[1] else moment


main()
