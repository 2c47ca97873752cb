"""Installation of Debian packages, and downloads of source packages that leave apt's set-up unchanged."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.parts.commands import PartError, run, with_environment

APT_GET = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
POLICY = Path("/usr/sbin/policy-rc.d")
START_NO_SERVICE = "#!/bin/sh\nexit 101\n"
APT_CONFIGURATION = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{directory}/sources.d";
Dir::State::lists "{directory}/lists";
Dir::Cache "{directory}/cache";
"""


def install(packages: Sequence[str]) -> None:
    """Installs the packages without starting their services."""
    environment = with_environment(DEBIAN_FRONTEND="noninteractive")
    run(*APT_GET, "update", env=environment)
    with _no_service_started():
        run(*APT_GET, "install", "--yes", "--no-install-recommends", *packages, env=environment)


@contextmanager
def _no_service_started() -> Iterator[None]:
    """Disables service starts with Debian's policy script; an existing script stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(START_NO_SERVICE)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def download_source(package: str, directory: Path) -> Path:
    """Downloads the package's upstream archive to `directory`, with separate package lists and cache."""
    for name in ("sources.d", "lists/partial", "cache"):
        (directory / name).mkdir(parents=True)
    for name, text in _source_entries().items():
        (directory / "sources.d" / name).write_text(text)
    configuration = directory / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(directory=directory))
    environment = with_environment(APT_CONFIG=str(configuration))
    run(*APT_GET, "update", "--error-on=any", env=environment)
    run(*APT_GET, "source", "--download-only", package, cwd=directory, env=environment)
    archives = list(directory.glob(f"{package}_*.orig.tar.*"))
    if len(archives) != 1:
        raise PartError(f"the source package {package} holds {len(archives)} upstream archives, not one")
    return archives[0]


def _source_entries(apt: Path = Path("/etc/apt")) -> dict[str, str]:
    """The machine's Debian archives as source entries, in either of apt's two formats."""
    stanzas = apt / "sources.list.d" / "debian.sources"
    lines = apt / "sources.list"
    if stanzas.exists():
        return {"src.sources": re.sub(r"(?m)^Types:.*$", "Types: deb-src", stanzas.read_text())}
    if lines.exists():
        return {"src.list": re.sub(r"(?m)^deb\s", "deb-src ", lines.read_text())}
    raise PartError(f"neither {stanzas} nor {lines} exists: the source of Debian packages is unknown")


def is_root() -> bool:
    """True if packages can be installed."""
    return os.geteuid() == 0
