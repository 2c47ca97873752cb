"""The extra `dashboard`: the packages that draw and write pages, which the image does not have."""

from importlib.util import find_spec

from app.errors import SettingsError

_PACKAGES = ("jinja2", "vl_convert")
INSTALL = "pip install 'kubernetes-job-profiler[dashboard]'"


def has_dashboard() -> bool:
    """True if the packages are installed."""
    return all(find_spec(name) for name in _PACKAGES)


def require_dashboard(command: str) -> None:
    """Raises SettingsError, with what to do, if they are not."""
    if not has_dashboard():
        raise SettingsError([f"{command} needs packages that are not installed: {INSTALL}"])
