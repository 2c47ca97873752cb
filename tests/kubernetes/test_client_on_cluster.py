"""Lists, errors and service account tokens against a real API server."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.kubernetes.labelled_config_maps import LABEL_SELECTOR, config_map

pytestmark = pytest.mark.cluster


async def test_pages_make_the_whole_list(
    cluster: ClusterClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five objects in pages of two are one list of five."""
    monkeypatch.setattr("app.kubernetes.client.PAGE_SIZE", 2)
    for index in range(5):
        await cluster.create(paths.config_maps(namespace), config_map(f"map-{index}"))

    listing = await cluster.list_all(ListOptions(paths.config_maps(namespace), label_selector=LABEL_SELECTOR))

    names = {item["metadata"]["name"] for item in listing.items}
    assert names == {f"map-{index}" for index in range(5)}


async def test_a_list_from_memory_is_one_page(
    cluster: ClusterClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server applies no limit to it, and may have new objects in it a moment later."""
    monkeypatch.setattr("app.kubernetes.client.PAGE_SIZE", 2)
    for index in range(5):
        await cluster.create(paths.config_maps(namespace), config_map(f"map-{index}"))
    selection = ListOptions(paths.config_maps(namespace), label_selector=LABEL_SELECTOR, may_be_cached=True)
    sizes: list[int] = []
    async with asyncio.timeout(10):
        while sum(sizes) < 5:
            sizes = [len(page.items) async for page in cluster.pages(selection, msgspec.Raw)]

    assert sizes == [5]


async def test_a_real_refusal(cluster: ClusterClient, namespace: str) -> None:
    """The error for a missing Secret has verb, path, status and the API server's message."""
    with pytest.raises(NotFoundError) as caught:
        await cluster.get(paths.secret(namespace, "none"))

    assert str(caught.value) == (
        f'GET /api/v1/namespaces/{namespace}/secrets/none: 404 Not Found: secrets "none" not found'
    )


async def test_a_rotated_token_of_a_service_account(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a Pod each request reads the token file: a wrong token is refused, the next correct one accepted.

    The service account has no permissions, so the status shows whether the token was accepted: 403 if it was,
    401 if it was not.
    """
    loader = "kubernetes_asyncio.config.incluster_config"
    token_file = tmp_path / "token"
    token_file.write_text(control_plane.token_of("default", namespace))
    host, port = control_plane.server_url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token_file))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(control_plane.ca_file))
    monkeypatch.setattr(f"{loader}.TOKEN_REFRESH_PERIOD", timedelta(0))
    refusals = []

    async with open_cluster(None) as client:
        for token in (token_file.read_text(), "wrong", token_file.read_text()):
            token_file.write_text(token)
            with pytest.raises(ForbiddenError) as caught:
                await client.get(paths.secret(namespace, "any"))
            refusals.append("401" in str(caught.value))

    assert refusals == [False, True, False]
