"""The extra `dashboard`: the packages that draw charts and write pages, which the image does not have."""

from importlib.util import find_spec

from app.errors import SettingsError

_PACKAGES = ("jinja2", "vl_convert")
INSTALL = "pip install 'kubernetes-job-profiler[dashboard]'"


def has_dashboard_extra() -> bool:
    """True if the packages are installed."""
    return all(find_spec(name) for name in _PACKAGES)


def require_dashboard_extra(subject: str) -> None:
    """Raises SettingsError, with what to do, if the packages that *subject* needs are not installed."""
    if not has_dashboard_extra():
        raise SettingsError([f"{subject} needs packages that are not installed: {INSTALL}"])
