"""The Debian packages of a root file system, from dpkg's status."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

STATUS = "var/lib/dpkg/status"
# "Source: gcc-12 (12.2.0-14)": the version is there only if it differs from the package's.
_SOURCE = re.compile(r"(?P<name>\S+)(?: \((?P<version>\S+)\))?")


class DebianPackage(NamedTuple):
    """An installed package, with the source package that its security announcements name."""

    name: str
    version: str
    architecture: str
    maintainer: str
    source: str
    source_version: str


def installed_packages(root: Path) -> list[DebianPackage]:
    """The installed packages by name, without removed packages of which only the configuration is left."""
    text = (root / STATUS).read_text(errors="replace")
    fields = (_fields(paragraph) for paragraph in text.split("\n\n") if paragraph.strip())
    return sorted(_package(entry) for entry in fields if entry.get("Status", "").endswith(" installed"))


def _fields(paragraph: str) -> dict[str, str]:
    """The one-line fields; lines that continue a field start with a space."""
    return dict(_field_lines(paragraph))


def _field_lines(paragraph: str) -> Iterator[tuple[str, str]]:
    for line in paragraph.splitlines():
        name, separator, value = line.partition(":")
        if separator and not line.startswith((" ", "\t")):
            yield name, value.strip()


def _package(fields: dict[str, str]) -> DebianPackage:
    name, version = fields["Package"], fields["Version"]
    source = _SOURCE.fullmatch(fields.get("Source", name))
    assert source, f"dpkg's status has an unknown form of Source: {fields['Source']}"
    return DebianPackage(
        name,
        version,
        fields["Architecture"],
        fields.get("Maintainer", ""),
        source["name"],
        source["version"] or version,
    )
