"""Where the API server is and who we are: a kubeconfig, else the service account of the Pod."""

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
    """The client library's configuration; its token is read anew every minute, since tokens rotate.

    Raises:
        ClusterError: says which file is wrong, or how to name one.
    """
    configuration = Configuration()
    if kubeconfig:
        _require_file(kubeconfig)
        try:
            loader = await load_kube_config(
                kubeconfig, client_configuration=configuration, persist_config=False
            )
        except Exception as error:  # the library raises whatever a malformed file makes of its code
            raise ClusterError(f"the kubeconfig {kubeconfig} can't be used: {error}") from error
        configuration.refresh_api_key_hook = _refresh(loader, clock)
        return configuration
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # upstream
    except (ConfigException, OSError) as error:
        raise ClusterError(
            f"no way to the API server: this is no Pod with a service account ({error}), and there is no "
            "kubeconfig: set KUBECONFIG (--kubeconfig) to the path of one"
        ) from error
    return configuration


def _require_file(kubeconfig: str) -> None:
    """As in kubectl, several paths may stand in one setting, and some may be missing."""
    paths = [Path(path).expanduser() for path in kubeconfig.split(os.pathsep) if path]
    if not any(path.is_file() for path in paths):
        raise ClusterError(f"the kubeconfig {kubeconfig} is not there: set KUBECONFIG (--kubeconfig)")


def _refresh(
    loader: KubeConfigLoader, clock: Callable[[], float]
) -> Callable[[Configuration], Awaitable[None]]:
    """Loads the token again before a request, at most once a minute: token files and plugins expire."""
    loaded_at = clock()

    async def refresh(configuration: Configuration) -> None:
        nonlocal loaded_at
        if clock() - loaded_at < _REFRESH_SECONDS:
            return
        loaded_at = clock()
        try:
            await loader.load_and_set(configuration)
        except Exception as error:  # as above: plugins fail in ways of their own
            raise ConfigException(str(error)) from error

    return refresh
