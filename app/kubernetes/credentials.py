"""Address and credentials of the API server: from a kubeconfig, else from the Pod's service account."""

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.errors import ClusterError
from app.kubernetes.client_library import (
    ConfigException,
    Configuration,
    KubeConfigLoader,
    load_incluster_config,
    load_kube_config,
)

_REFRESH_SECONDS = 60


async def load_configuration(
    kubeconfig: str | None, clock: Callable[[], float] = time.monotonic
) -> Configuration:
    """The client library's configuration; its token is reloaded every minute, because tokens rotate.

    Raises:
        ClusterError: no usable credentials; the text names the faulty file or the setting for it.
    """
    configuration = Configuration()
    if kubeconfig:
        _require_file(kubeconfig)
        try:
            loader = await load_kube_config(
                kubeconfig, client_configuration=configuration, persist_config=False
            )
        except Exception as error:  # for a malformed file the library raises arbitrary exceptions
            raise ClusterError(f"the kubeconfig {kubeconfig} can't be used: {error}") from error
        configuration.refresh_api_key_hook = _build_refresh_hook(loader, clock)
        return configuration
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # upstream
    except (ConfigException, OSError) as error:
        raise ClusterError(
            f"no credentials for the API server: there is no service account ({error}) and no kubeconfig; "
            "set KUBECONFIG (--kubeconfig) to the path of a kubeconfig"
        ) from error
    return configuration


def _require_file(kubeconfig: str) -> None:
    """Raises ClusterError unless one file exists; as in kubectl, the setting may list several paths."""
    paths = [Path(path).expanduser() for path in kubeconfig.split(os.pathsep) if path]
    if not any(path.is_file() for path in paths):
        raise ClusterError(f"the kubeconfig {kubeconfig} does not exist: set KUBECONFIG (--kubeconfig)")


def _build_refresh_hook(
    loader: KubeConfigLoader, clock: Callable[[], float]
) -> Callable[[Configuration], Awaitable[None]]:
    """A hook that reloads the token before a request, at most once a minute: tokens expire."""
    loaded_at = clock()

    async def refresh(configuration: Configuration) -> None:
        nonlocal loaded_at
        if clock() - loaded_at < _REFRESH_SECONDS:
            return
        loaded_at = clock()
        try:
            await loader.load_and_set(configuration)
        except Exception as error:  # credential plugins, too, raise arbitrary exceptions
            raise ConfigException(str(error)) from error

    return refresh
