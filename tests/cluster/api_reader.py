"""Reads of the Kubernetes API over one connection, without a kubectl process for each."""

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
    """The API server refused, or could not be reached; the message contains the request path."""


class ApiReader:
    """Reads with the credentials of a kubeconfig, from one thread."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        address = urlsplit(cluster["server"]).netloc
        self._connection = http.client.HTTPSConnection(address, timeout=PATIENCE_SECONDS, context=trust)
        self._headers = {"Authorization": f"Bearer {user['token']}"}

    def list(self, plural: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        """All objects of a kind in one namespace, or in all, that the selectors match."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = urlencode({key: value for key, value in selectors.items() if value})
        items: list[Object] = self._get(f"{_path(plural, namespace)}?{query}")["items"]
        return items

    def get(self, plural: str, name: str, namespace: str = "") -> Object:
        """One object; raises ApiError if it does not exist."""
        return self._get(f"{_path(plural, namespace)}/{name}")

    def close(self) -> None:
        """Closes the connection; the next read opens another one."""
        self._connection.close()

    def _get(self, path: str) -> Object:
        try:
            status, content = self._request_with_retry(path)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{path}: {error!r}") from error
        if status != OK:  # a Status object, or plain text where the whole group is not served
            raise ApiError(f"{path}: {status} {content.decode(errors='replace')}")
        answer: Object = json.loads(content)
        return answer

    def _request_with_retry(self, path: str) -> tuple[int, bytes]:
        """Sends the request again on a new connection if the first one fails: an idle one may be closed."""
        try:
            return self._request(path)
        except (OSError, http.client.HTTPException):
            return self._request(path)

    def _request(self, path: str) -> tuple[int, bytes]:
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self._connection.close()
            raise


def _path(plural: str, namespace: str) -> str:
    scope = f"namespaces/{namespace}/" if namespace else ""
    return f"{GROUP_OF[plural]}/{scope}{plural}"
