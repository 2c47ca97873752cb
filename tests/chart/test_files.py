"""Files with tokens, certificates and credentials: each is mounted only at the path of its setting."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.rendered import Release, container

pytestmark = pytest.mark.chart

ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def mounted(pod: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The source of each volume of a Pod by mount path; each volume is mounted once."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = container(pod)["volumeMounts"]
    assert sorted(volumes) == sorted(mount["name"] for mount in mounts)
    return {
        mount["mountPath"]: {key: value for key, value in volumes[mount["name"]].items() if key != "name"}
        for mount in mounts
    }


def file_settings(release: Release, component: str) -> dict[str, str]:
    """The environment variables with the path of a file."""
    return {key: value for key, value in release.environment(component).items() if key.endswith("_FILE")}


def test_the_token_lives_an_hour(render: Render) -> None:
    """The token is mounted at the usual path, with the API server's CA and the namespace.

    API servers extend a token of 3607 seconds, as Kubernetes' own mount requests, to a year.
    """
    release = render()
    for pod in (*release.pods().values(), release.one("Pod")["spec"]):
        [token, authority, namespace] = mounted(pod)[ACCOUNT_DIRECTORY]["projected"]["sources"]
        assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
        assert authority["configMap"]["name"] == "kube-root-ca.crt"
        assert namespace["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
        assert pod["automountServiceAccountToken"] is False


def test_linkerd_still_injects(render: Render) -> None:
    """Linkerd injects a proxy only with the automatic mount, which the chart's mount replaces."""
    release = render(linkerd={"viz": True})

    assert {name: pod["automountServiceAccountToken"] for name, pod in release.pods().items()} == {
        "webhook": False,
        "profiler": True,
    }
    assert ACCOUNT_DIRECTORY in mounted(release.pods()["profiler"])


def test_by_default_there_is_nothing_else(render: Render) -> None:
    """Without further values there are only the token and /tmp."""
    for pod in render().pods().values():
        assert mounted(pod).keys() == {"/tmp", ACCOUNT_DIRECTORY}


@pytest.mark.parametrize(
    ("client_ca", "source"),
    [
        (
            {"configMap": "front", "key": "a.crt"},
            {"configMap": {"name": "front", "items": [{"key": "a.crt", "path": "ca.crt"}]}},
        ),
        (
            {"secretName": "front"},
            {"secret": {"secretName": "front", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ),
        (
            {"pem": PEM},
            {
                "configMap": {
                    "name": "job-profiler-authorities",
                    "items": [{"key": "client.crt", "path": "ca.crt"}],
                }
            },
        ),
    ],
    ids=["ConfigMap", "Secret", "text"],
)
def test_client_certificates_are_checked_by_the_webhook(
    render: Render, client_ca: dict[str, str], source: dict[str, Any]
) -> None:
    """The CA is a file of the webhook's Pods only, from PEM text, a ConfigMap or a Secret."""
    release = render(webhook={"clientCa": client_ca})

    assert mounted(release.pods()["webhook"])["/etc/job-profiler/client"] == source
    assert file_settings(release, "webhook") == {"CLIENT_CA_FILE": "/etc/job-profiler/client/ca.crt"}
    assert file_settings(release, "profiler") == {}
    assert mounted(release.pods()["profiler"]).keys() == {"/tmp", ACCOUNT_DIRECTORY}


def test_credentials_of_prometheus_are_the_profilers(render: Render) -> None:
    """Token, CA and client certificate are files of the profiler's Pods, and not of the webhook's."""
    release = render(
        prometheus={
            "url": "https://prometheus",
            "auth": {"bearerTokenSecret": "token", "tlsSecret": "client", "ca": {"secretName": "trust"}},
        }
    )

    directory = "/etc/job-profiler/prometheus"
    mounts = mounted(release.pods()["profiler"])
    assert mounts[f"{directory}-credentials"] == {"secret": {"secretName": "token"}}
    assert mounts[f"{directory}-certificate"] == {"secret": {"secretName": "client"}}
    assert mounts[f"{directory}-ca"]["secret"]["secretName"] == "trust"
    assert file_settings(release, "profiler") == {
        "PROMETHEUS_BEARER_TOKEN_FILE": f"{directory}-credentials/token",
        "PROMETHEUS_CA_FILE": f"{directory}-ca/ca.crt",
        "PROMETHEUS_CERTIFICATE_FILE": f"{directory}-certificate/tls.crt",
        "PROMETHEUS_KEY_FILE": f"{directory}-certificate/tls.key",
    }
    assert file_settings(release, "webhook") == {}
    assert mounted(release.pods()["webhook"]).keys() == {"/tmp", ACCOUNT_DIRECTORY}


def test_combined_has_the_files_of_both(render: Render) -> None:
    """One process in both roles reads all of them."""
    release = render(
        topology="combined",
        webhook={"clientCa": {"pem": PEM}},
        prometheus={"url": "https://prometheus", "auth": {"basicAuthSecret": "basic", "ca": {"pem": PEM}}},
    )

    assert file_settings(release, "combined").keys() == {
        "CLIENT_CA_FILE",
        "PROMETHEUS_CA_FILE",
        "PROMETHEUS_PASSWORD_FILE",
    }
    assert len(mounted(release.pods()["combined"])) == 5
    assert release.one("ConfigMap", "job-profiler-authorities")["data"] == {
        "client.crt": PEM,
        "prometheus.crt": PEM,
    }


def checksums(release: Release) -> dict[str, str | None]:
    return {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["metadata"]
        .get("annotations", {})
        .get("checksum/authorities")
        for deployment in release.of("Deployment")
    }


def test_new_certificates_in_the_values_roll_out(render: Render) -> None:
    """A changed CA changes the Pod template of the Deployment that reads it, and no other."""
    before, after = (
        checksums(render(webhook={"clientCa": {"pem": text}}, prometheus={"auth": {"ca": {"pem": PEM}}}))
        for text in (PEM, PEM * 2)
    )

    assert before["job-profiler-webhook"] != after["job-profiler-webhook"]
    assert before["job-profiler-profiler"] == after["job-profiler-profiler"] is not None
    assert set(checksums(render(webhook={"clientCa": {"configMap": "front"}})).values()) == {None}
