"""Libraries without the modules that they load only because another library happens to be installed."""

import importlib
import sys


def import_without(unused: str, library: str) -> None:
    """Imports *library* as if *unused* were not installed; afterwards it can be imported as usual."""
    if library in sys.modules or unused in sys.modules:
        return
    sys.modules[unused] = None  # type: ignore[assignment]  # None makes the import fail
    try:
        importlib.import_module(library)
    finally:
        del sys.modules[unused]
