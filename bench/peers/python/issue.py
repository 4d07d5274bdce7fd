"""The token endpoint on uvicorn and PyJWT, with the key parsed once: KEY=key.pem KID=… uvicorn issue:app"""

import json
import os
import time
import uuid

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KID = os.environ["KID"]
with open(os.environ["KEY"], "rb") as file:
    KEY = load_pem_private_key(file.read(), None)


def issue(body: bytes) -> str:
    now = int(time.time())
    claims = {"sub": "bench-video", "kid": KID, "jti": str(uuid.uuid4()), "iat": now, "nbf": now - 3600, "exp": now + 3600,
              "accessRules": json.loads(body)["accessRules"]}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": KID})


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = json.dumps({"success": True, "errors": [], "messages": [], "result": {"token": issue(body)}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
