"""The client library without its generated classes: nobody here uses them, and they take 32 MB.

`kubernetes_asyncio.client` imports some 800 modules of API objects as it is itself imported. While that
happens, empty modules stand in for them; configuration, credentials and transport are the library's own.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_GENERATED = ("kubernetes_asyncio.client.api", "kubernetes_asyncio.client.models")


class _EmptyModule(Loader):
    """A module in which every name is `object`."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__getattr__"] = _any_name


def _any_name(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return object


class _GeneratedFinder(MetaPathFinder):
    """Finds empty modules for the generated packages and all that is in them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        if fullname in _GENERATED or fullname.startswith(tuple(f"{name}." for name in _GENERATED)):
            return ModuleSpec(fullname, _EmptyModule(), is_package=True)
        return None


@contextmanager
def _without_generated_classes() -> Iterator[None]:
    finder = _GeneratedFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _without_generated_classes():
    from kubernetes_asyncio.client import ApiClient, Configuration
    from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config
    from kubernetes_asyncio.config.kube_config import KubeConfigLoader

__all__ = [
    "ApiClient",
    "ConfigException",
    "Configuration",
    "KubeConfigLoader",
    "load_incluster_config",
    "load_kube_config",
]
