"""The limit server: the fastest possible webhook in Python, for comparison.

It decodes a review and returns a fixed patch. It has no profiles, no metrics and no checks.
"""

import argparse
import asyncio
import ssl

import msgspec
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from app.tls.key_pairs import KeyPair
from app.tls.serving import ServingContext
from app.webhook.patching import Patch
from app.webhook.reviews import decode_review, patched

_SHA1_HEX = "9b9e16387237056ac52a193ffbd6d695831cfe7f"
# As large as the product's response for the benchmark's workload: a CPU, a memory, six connection profiles.
_PATCH = [
    {"op": "add", "path": f"/metadata/annotations/liqo.io~1{key}", "value": f"{prefix}-{_SHA1_HEX}"}
    for key, prefix in (
        *((f"connectionProfile{number}", "connprofile") for number in range(6)),
        ("cpuProfile", "cpuprofile"),
        ("memoryProfile", "memprofile"),
    )
]
_HEAD, _TAIL = patched("UID", Patch.of(_PATCH)).split(b'"UID"')


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Returns the same response for every review."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["method"] == "POST":
        payload = _HEAD + msgspec.json.encode(decode_review(body).uid) + _TAIL
    else:
        payload = msgspec.json.encode("ready")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=argparse.FileType("rb"), required=True)
    parser.add_argument("--key", type=argparse.FileType("rb"), required=True)
    options = parser.parse_args()
    serving = ServingContext()
    serving.load(KeyPair(options.certificate.read(), options.key.read()))
    uvloop.run(_serve(options.port, serving.context))


async def _serve(port: int, tls: ssl.SSLContext) -> None:
    config = uvicorn.Config(
        answer,
        host="127.0.0.1",
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=120,
        ssl_context_factory=lambda _config, _default: tls,
    )
    await asyncio.shield(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
