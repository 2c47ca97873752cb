"""A Kubernetes control plane without nodes: etcd, API server and controller manager, 1.20 to 1.36.

Pods are created, admitted and stored, and stay Pending without a `Kubelet`. `tokens.csv` holds the
administrator's token; other clients use the token of a service account, with the rights that RBAC grants it.
The API server logs each of their requests in `audit.log`.
"""

import json
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.cluster.loopback_http import answers, request_json
from tests.cluster.processes import Process, free_ports
from tests.cluster.waiting import wait_until
from tests.parts.locate import Part, require

ADMIN_TOKEN = "admin-token"
ISSUER = "https://kubernetes.default.svc.cluster.local"
START_SECONDS = 60
API_SERVER_GRACE_SECONDS = 2  # without it, up to a minute passes until all watches are closed
SERVICE_ACCOUNT_SECONDS = 30
TOKEN_SECONDS = 86400
LAST_MINOR_WITH_INSECURE_PORT = 23
# Who asked for what, and what allowed it: of service accounts, except those of the controllers.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
    ],
}


class ControlPlane:
    """Context manager; every file, logs included, is in `directory`.

    *fairness* enables API Priority and Fairness, with which 1.20 stalls for 0.1 s every 10 s.
    """

    def __init__(self, directory: Path, *, fairness: bool = True) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        etcd_port, peer_port, api_port, manager_port = free_ports(4)
        self.server_url = f"https://127.0.0.1:{api_port}"
        self.ca_file = self.directory / "certificates" / "apiserver.crt"
        self.kubeconfig = self.directory / "admin.kubeconfig"
        self.audit_log = self.directory / "audit.log"
        self.version = _version_of(require(Part.KUBE_APISERVER))
        self.etcd_url = f"http://127.0.0.1:{etcd_port}"
        self._etcd = Process("etcd", self._etcd_command(peer_port), self.directory)
        api_server = self._api_server_command(api_port)
        if not fairness:
            api_server.append("--enable-priority-and-fairness=false")
        self._api_server = Process("kube-apiserver", api_server, self.directory)
        self._controllers = Process(
            "kube-controller-manager", self._controllers_command(manager_port), self.directory
        )

    def __enter__(self) -> Self:
        _write_service_account_keys(self.directory)
        (self.directory / "tokens.csv").write_text(f"{ADMIN_TOKEN},admin,admin,system:masters\n")
        (self.directory / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        self.audit_log.touch()
        self._write_kubeconfig(self.kubeconfig, ADMIN_TOKEN)
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._etcd.start(lambda: answers(f"{self.etcd_url}/health"), START_SECONDS)
            self.start_api_server()
            self._controllers.start(self._controllers_are_ready, START_SECONDS)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops all three; the API server stops before etcd, which it needs for an orderly shutdown."""
        self._controllers.ask_to_stop()
        self.stop_api_server()
        self._controllers.stop()
        self._etcd.stop()

    def start_api_server(self) -> None:
        """Starts the API server again, on the same port and with the same certificate."""
        self._api_server.start(self._api_server_is_ready, START_SECONDS)

    def stop_api_server(self) -> None:
        """Stops the API server: connections are refused until `start_api_server`; etcd keeps every object."""
        self._api_server.stop(API_SERVER_GRACE_SECONDS)

    def stop_controllers(self) -> None:
        """Stops the controller manager: nothing happens to stored objects from now on."""
        self._controllers.stop()

    def token_of(self, service_account: str, namespace: str) -> str:
        """A token of the service account, valid for a day: nothing renews it.

        A controller creates the account `default` soon after its namespace, so it is waited for.
        """
        account = f"{self.server_url}/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}"
        wait_until(
            lambda: answers(account, ca_file=self.ca_file, token=ADMIN_TOKEN),
            SERVICE_ACCOUNT_SECONDS,
            f"the service account {namespace}/{service_account}",
        )
        answer = request_json(
            f"{account}/token",
            ca_file=self.ca_file,
            token=ADMIN_TOKEN,
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            },
        )
        token: str = answer["status"]["token"]
        return token

    def kubeconfig_of(self, service_account: str, namespace: str) -> Path:
        """A kubeconfig that acts as the service account, with its namespace as the default one."""
        path = self.directory / f"{namespace}-{service_account}.kubeconfig"
        self._write_kubeconfig(path, self.token_of(service_account, namespace), namespace)
        return path

    def _api_server_is_ready(self) -> bool:
        return answers(f"{self.server_url}/readyz", ca_file=self.ca_file, token=ADMIN_TOKEN)

    def _controllers_are_ready(self) -> bool:
        """True once the namespace `default` has its default service account, which every Pod needs."""
        account = f"{self.server_url}/api/v1/namespaces/default/serviceaccounts/default"
        return answers(account, ca_file=self.ca_file, token=ADMIN_TOKEN)

    def _write_kubeconfig(self, path: Path, token: str, namespace: str = "default") -> None:
        cluster = {"server": self.server_url, "certificate-authority": str(self.ca_file)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}
            ],
            "current-context": "test",
        }
        written = path.with_suffix(".new")
        written.write_text(json.dumps(content, indent=1))
        written.chmod(0o600)
        written.replace(path)  # a process of the same account may read the file at this moment

    def _etcd_command(self, peer_port: int) -> list[str | Path]:
        return [
            require(Part.ETCD),
            *("--data-dir", self.directory / "etcd"),
            *("--listen-client-urls", self.etcd_url),
            *("--advertise-client-urls", self.etcd_url),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer_port}"),
            "--unsafe-no-fsync",
        ]

    def _api_server_command(self, port: int) -> list[str | Path]:
        return [
            require(Part.KUBE_APISERVER),
            *("--etcd-servers", self.etcd_url),
            *("--service-account-issuer", ISSUER),
            *("--service-account-key-file", "sa.pub"),
            *("--service-account-signing-key-file", "sa.key"),
            *("--service-cluster-ip-range", "10.96.0.0/16"),
            *("--cert-dir", self.ca_file.parent),
            *("--token-auth-file", "tokens.csv"),
            *("--audit-policy-file", "audit-policy.json"),
            *("--audit-log-path", self.audit_log),
            *("--authorization-mode", "RBAC"),
            *("--secure-port", str(port)),
            *("--bind-address", "127.0.0.1"),
            *("--advertise-address", "127.0.0.1"),
            "--allow-privileged=true",
        ]

    def _controllers_command(self, port: int) -> list[str | Path]:
        minor = int(self.version.split(".")[1])
        return [
            require(Part.KUBE_CONTROLLER_MANAGER),
            *("--kubeconfig", self.kubeconfig),
            *("--service-account-private-key-file", "sa.key"),
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            *("--kube-api-qps", "200"),  # the default of 20 delays the controllers' start by 4 s
            *("--kube-api-burst", "400"),
            *("--secure-port", str(port)),
            *("--bind-address", "127.0.0.1"),
            *(("--port", "0") if minor <= LAST_MINOR_WITH_INSECURE_PORT else ()),
        ]


def _version_of(binary: Path) -> str:
    """The version of a binary: `1.20.2` from `Kubernetes v1.20.2`."""
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    if version := re.match(r"Kubernetes v(\d+\.\d+\.\d+)", output):
        return version[1]
    raise ValueError(f"{binary} --version prints {output!r}, which is no Kubernetes version")


def _write_service_account_keys(directory: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (directory / "sa.key").write_bytes(private)
    (directory / "sa.pub").write_bytes(public)
