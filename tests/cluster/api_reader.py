"""Objects as the API server answers them, over one connection: no look needs a process of its own."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

OK = 200
PATIENCE_SECONDS = 30
GROUPS = {
    "/api/v1": "configmaps events namespaces nodes pods resourcequotas secrets serviceaccounts services",
    "/apis/apps/v1": "daemonsets deployments replicasets statefulsets",
    "/apis/coordination.k8s.io/v1": "leases",
    "/apis/admissionregistration.k8s.io/v1": "mutatingwebhookconfigurations",
    "/apis/webapp.liqo.io.profiling/v1": "cpuprofiles memoryprofiles connectionprofiles",
}
GROUP_OF = {plural: group for group, plurals in GROUPS.items() for plural in plurals.split()}

Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused, or could not be reached; the message says which path was asked."""


class ApiReader:
    """Reads as the user of a kubeconfig, from one thread."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        address = urlsplit(cluster["server"]).netloc
        self._connection = http.client.HTTPSConnection(address, timeout=PATIENCE_SECONDS, context=trust)
        self._headers = {"Authorization": f"Bearer {user['token']}"}

    def list(self, plural: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        """All of a kind, in one namespace or in all, that the selectors take."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = urlencode({key: value for key, value in selectors.items() if value})
        items: list[Object] = self._get(f"{_path(plural, namespace)}?{query}")["items"]
        return items

    def get(self, plural: str, name: str, namespace: str = "") -> Object:
        """One object; an ApiError where there is none."""
        return self._get(f"{_path(plural, namespace)}/{name}")

    def close(self) -> None:
        """End the connection; the next look opens another one."""
        self._connection.close()

    def _get(self, path: str) -> Object:
        try:
            status, content = self._answer(path)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{path}: {error!r}") from error
        if status != OK:  # a Status object, or plain text where the whole group is not served
            raise ApiError(f"{path}: {status} {content.decode(errors='replace')}")
        answer: Object = json.loads(content)
        return answer

    def _answer(self, path: str) -> tuple[int, bytes]:
        """A connection that was idle may have ended: the second try is a new one."""
        try:
            return self._ask(path)
        except (OSError, http.client.HTTPException):
            return self._ask(path)

    def _ask(self, path: str) -> tuple[int, bytes]:
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self._connection.close()
            raise


def _path(plural: str, namespace: str) -> str:
    where = f"namespaces/{namespace}/" if namespace else ""
    return f"{GROUP_OF[plural]}/{where}{plural}"
