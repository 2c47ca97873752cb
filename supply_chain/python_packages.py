"""The Python packages of folders of installed packages, with their licences and what they need."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, MetadataPathFinder
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

_LICENSE_CLASSIFIER = re.compile(r"License :: (?:.* :: )?(?P<name>[^:]+)")


class PythonPackage(NamedTuple):
    """An installed package; `requires` has the normalised names of what it needs without extras."""

    name: str
    version: str
    summary: str
    license: str
    requires: frozenset[str]


def normalised(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_packages(folders: Iterable[Path]) -> dict[str, PythonPackage]:
    """The packages by normalised name; a package of an earlier folder hides one of a later folder."""
    found: dict[str, PythonPackage] = {}
    for folder in folders:
        for distribution in MetadataPathFinder.find_distributions(_context(folder)):
            package = _package(distribution)
            found.setdefault(normalised(package.name), package)
    return dict(sorted(found.items()))


def closure(packages: Mapping[str, PythonPackage], requirements: Iterable[str]) -> dict[str, PythonPackage]:
    """The packages that *requirements* need, directly or not."""
    waiting, found = list(needed(requirements)), dict[str, PythonPackage]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = packages[name]
            waiting += packages[name].requires
    return dict(sorted(found.items()))


def needed(requirements: Iterable[str]) -> Iterator[str]:
    """The names of the requirements that apply here: without extras, on this Python."""
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield normalised(requirement.name)


def _context(folder: Path) -> "MetadataPathFinder.Context":
    return MetadataPathFinder.Context(path=[str(folder)])


def _package(distribution: Distribution) -> PythonPackage:
    metadata = distribution.metadata.json
    return PythonPackage(
        str(metadata["name"]),
        distribution.version,
        str(metadata.get("summary", "")),
        _license(metadata),
        frozenset(needed(distribution.requires or ())),
    )


def _license(metadata: Mapping[str, str | list[str]]) -> str:
    """The SPDX expression, else the licence's one-line name, else its classifier; empty if none is stated."""
    stated = str(metadata.get("license_expression") or metadata.get("license") or "")
    if stated and "\n" not in stated:
        return stated
    matches = (_LICENSE_CLASSIFIER.fullmatch(text) for text in metadata.get("classifier", ()))
    return next((match["name"] for match in matches if match), "")
