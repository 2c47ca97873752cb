"""Installation of Debian packages, and downloads of other packages that leave apt's set-up unchanged."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.parts.commands import PartError, run, with_environment

APT_GET = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
APT = Path("/etc/apt")
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
    environment = _lists_of(_source_entries(), directory)
    run(*APT_GET, "source", "--download-only", package, cwd=directory, env=environment)
    archives = list(directory.glob(f"{package}_*.orig.tar.*"))
    if len(archives) != 1:
        raise PartError(f"the source package {package} holds {len(archives)} upstream archives, not one")
    return archives[0]


def unpack_newer(packages: Sequence[str], suite: str, directory: Path) -> None:
    """Unpacks binary packages of another suite below `directory`; nothing of them is installed."""
    environment = _lists_of(_entries_of(suite), directory)
    run(*APT_GET, "download", *packages, cwd=directory, env=environment)
    for package in packages:
        [archive] = directory.glob(f"{package}_*.deb")
        run("dpkg-deb", "--extract", str(archive), str(directory))
        archive.unlink()


def _lists_of(entries: dict[str, str], directory: Path) -> dict[str, str]:
    """Fetches the package lists of *entries*; returns the environment in which apt-get uses only these."""
    for name in ("sources.d", "lists/partial", "cache"):
        (directory / name).mkdir(parents=True)
    for name, text in entries.items():
        (directory / "sources.d" / name).write_text(text)
    configuration = directory / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(directory=directory))
    environment = with_environment(APT_CONFIG=str(configuration))
    run(*APT_GET, "update", "--error-on=any", env=environment)
    return environment


def _source_entries(apt: Path = APT) -> dict[str, str]:
    """The machine's Debian archives as source entries, in either of apt's two formats."""
    file = archives(apt)
    if file.suffix == ".sources":
        return {"src.sources": re.sub(r"(?m)^Types:.*$", "Types: deb-src", file.read_text())}
    return {"src.list": re.sub(r"(?m)^deb\s", "deb-src ", file.read_text())}


def _entries_of(suite: str, apt: Path = APT) -> dict[str, str]:
    """The machine's first Debian archive with another suite."""
    file = archives(apt)
    if file.suffix == ".sources":
        stanza = next(text for text in file.read_text().split("\n\n") if "URIs:" in text)
        stanza = re.sub(r"(?m)^Suites:.*$", f"Suites: {suite}", stanza)
        return {"newer.sources": f"{stanza.strip()}\n"}
    line = next(line for line in file.read_text().splitlines() if line.startswith("deb "))
    options, uri = re.findall(r"^deb\s+(\[[^\]]*\]\s+)?(\S+)", line)[0]
    return {"newer.list": f"deb {options}{uri} {suite} main\n"}


def archives(apt: Path = APT) -> Path:
    """The file with the machine's Debian archives, in either of apt's two formats."""
    candidates = (apt / "sources.list.d" / "debian.sources", apt / "sources.list")
    for file in candidates:
        if file.exists():
            return file
    raise PartError(f"neither {candidates[0]} nor {candidates[1]} exists: Debian's archives are unknown")


def is_root() -> bool:
    """True if packages can be installed."""
    return os.geteuid() == 0
