"""Requests to the Kubernetes API with the token of a service account, refused ones included."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_TIMEOUT_SECONDS = 30
_FIRST_ERROR = 400

Object = dict[str, Any]


class Answer(NamedTuple):
    """Status code and decoded body."""

    status: int
    body: Object

    @property
    def is_refused(self) -> bool:
        """True for every error."""
        return self.status >= _FIRST_ERROR

    @property
    def message(self) -> str:
        """The reason of a refusal; empty for an object."""
        return str(self.body.get("message", ""))


class ApiAccount:
    """Sends single requests by path; the administrator's if no service account is named."""

    def __init__(self, control_plane: ControlPlane, name: str = "", namespace: str = "") -> None:
        self._url = control_plane.server_url
        self._token = control_plane.token_of(name, namespace) if name else ADMIN_TOKEN
        context = ssl.create_default_context(cafile=control_plane.ca_file)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, path: str) -> Object:
        """The object; raises AssertionError if it can't be read."""
        answer = self.send("GET", path)
        assert not answer.is_refused, answer
        return answer.body

    def patch(self, path: str, patch: Any, content_type: str = MERGE_PATCH) -> Answer:
        """Patches an object."""
        return self.send("PATCH", path, patch, content_type)

    def apply(self, path: str, manifest: Object, field_manager: str) -> Answer:
        """Server-side apply, with force."""
        return self.patch(f"{path}?fieldManager={field_manager}&force=true", manifest, APPLY_PATCH)

    def send(self, verb: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """The answer to one request."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=verb)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read()))
