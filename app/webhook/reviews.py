"""Decoding and encoding of AdmissionReviews (`admission.k8s.io/v1`), only the needed fields."""

import msgspec

from app.errors import ReviewError
from app.webhook.patching import Patch

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"


class OwnerReference(msgspec.Struct, gc=False):
    """One entry of `metadata.ownerReferences`."""

    kind: str
    name: str
    controller: bool | None = None


class Metadata(msgspec.Struct, gc=False):
    """The part of a Pod's `metadata` that decides on its annotations; null and absent are equal."""

    name: str = ""
    generateName: str = ""  # noqa: N815 - the API's spelling
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None  # noqa: N815 - the API's spelling


class Pod(msgspec.Struct, gc=False):
    """The part of a Pod that the webhook uses; `spec` stays raw, and is decoded only if the Pod is sized."""

    metadata: Metadata
    spec: msgspec.Raw = msgspec.Raw(b"")


class GroupVersionKind(msgspec.Struct, gc=False):
    """The kind of the request's object."""

    kind: str
    group: str = ""
    version: str = ""


class AdmissionRequest(msgspec.Struct, gc=False):
    """The `request` of a review."""

    uid: str
    kind: GroupVersionKind
    operation: str
    namespace: str = ""
    subResource: str = ""  # noqa: N815 - the API's spelling
    object: Pod | None = None


class AdmissionReview(msgspec.Struct, gc=False):
    """An AdmissionReview."""

    apiVersion: str  # noqa: N815 - the API's spelling
    kind: str
    request: AdmissionRequest


class _BareRequest(msgspec.Struct):
    uid: str


class _BareReview(msgspec.Struct):
    """The part of a review that its answer needs."""

    apiVersion: str  # noqa: N815 - the API's spelling
    kind: str
    request: _BareRequest


class UnreadablePodError(Exception):
    """The review can be answered, but its object can't be decoded as a Pod."""

    def __init__(self, uid: str) -> None:
        super().__init__(uid)
        self.uid = uid


_review = msgspec.json.Decoder(AdmissionReview)
_bare_review = msgspec.json.Decoder(_BareReview)
_encode = msgspec.json.Encoder().encode
# The rest of an answer is always the same, so its bytes are concatenated rather than encoded each time.
_ANSWER_BEGIN = f'{{"apiVersion":"{API_VERSION}","kind":"{KIND}","response":{{"allowed":true,"uid":'.encode()
_PATCH_BEGIN = b',"patchType":"JSONPatch","patch":"'


def decode_review(body: bytes) -> AdmissionRequest:
    """The request of the review in *body*.

    Raises:
        ReviewError: the body is not an AdmissionReview v1 with a uid (no JSON, another kind or version).
        UnreadablePodError: the review can be answered, but its request can't be decoded as one for a Pod.
    """
    try:
        review = _review.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        bare = _decode_bare(body)
        _check_kind(bare.apiVersion, bare.kind)
        raise UnreadablePodError(bare.request.uid) from error
    _check_kind(review.apiVersion, review.kind)
    return review.request


def _decode_bare(body: bytes) -> _BareReview:
    try:
        return _bare_review.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReviewError(400, f"not an AdmissionReview: {error}") from error


def _check_kind(api_version: str, kind: str) -> None:
    if (api_version, kind) != (API_VERSION, KIND):
        received = f"{kind[:80]} of {api_version[:80]}"
        raise ReviewError(400, f"this webhook answers {KIND} of {API_VERSION}, not {received}")


def allowed(uid: str) -> bytes:
    """The answer that admits the object unchanged."""
    return _ANSWER_BEGIN + _encode(uid) + b"}}"


def patched(uid: str, patch: Patch) -> bytes:
    """The answer that admits the object with *patch* applied."""
    return _ANSWER_BEGIN + _encode(uid) + _PATCH_BEGIN + patch.base64_json + b'"}}'
