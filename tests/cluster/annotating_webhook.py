"""A minimal mutating webhook that annotates every Pod: it proves that a control plane calls webhooks."""

import base64
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ANNOTATIONS = {"example.com/patched": "true"}
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")


@contextmanager
def annotating_webhook(directory: Path) -> Iterator[dict[str, Any]]:
    """Serves the webhook; yields the `clientConfig` with which a local API server calls it."""
    certificate_file, key_file = _write_certificate(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    with ThreadingHTTPServer((str(LOOPBACK), 0), _Annotate) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield {
                "url": f"https://{LOOPBACK}:{server.server_port}/",
                "caBundle": base64.b64encode(certificate_file.read_bytes()).decode(),
            }
        finally:
            server.shutdown()
            thread.join()


class _Annotate(BaseHTTPRequestHandler):
    """Answers every AdmissionReview with a JSON patch that sets the annotations."""

    def do_POST(self) -> None:
        """Handles one AdmissionReview."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = [{"op": "add", "path": "/metadata/annotations", "value": ANNOTATIONS}]
        response = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
        }
        answer = json.dumps({key: review[key] for key in ("apiVersion", "kind")} | {"response": response})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Keeps requests out of the test's output."""


def _write_certificate(directory: Path) -> tuple[Path, Path]:
    """Writes a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "annotating-webhook")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "webhook.crt", directory / "webhook.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file
