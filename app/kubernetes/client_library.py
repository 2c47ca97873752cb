"""The client library without its generated classes, which are not used here and take 32 MB.

Importing `kubernetes_asyncio.client` imports about 800 modules of API objects. Here empty modules replace
them during the import; configuration and credentials are the library's own.
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
        """None: the import system creates the module."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__getattr__"] = _get_object


def _get_object(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return object


class _GeneratedFinder(MetaPathFinder):
    """Finds an empty module for each module of the generated packages."""

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
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import ConfigException, load_incluster_config
    from kubernetes_asyncio.config.kube_config import KubeConfigLoader

__all__ = [
    "ConfigException",
    "Configuration",
    "KubeConfigLoader",
    "load_incluster_config",
]
