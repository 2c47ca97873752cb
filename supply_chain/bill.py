"""The bill of materials as a CycloneDX document."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from supply_chain.debian_packages import DebianPackage
from supply_chain.python_packages import PythonPackage

_NO_SERIAL_NUMBER = uuid.UUID(int=0)


class BillError(Exception):
    """The document does not follow CycloneDX's schema, which is a fault of this program."""


class Bill:
    """Components of one subject: a wheel or an image, as of *timestamp*."""

    def __init__(self, subject: PythonPackage, kind: str, *, timestamp: int) -> None:
        self._bom: Any = Bom(serial_number=_NO_SERIAL_NUMBER)
        self._bom.metadata.timestamp = datetime.fromtimestamp(timestamp, UTC)
        self._subject = self._bom.metadata.component = Component(
            name=subject.name,
            version=subject.version,
            description=subject.summary,
            type=ComponentType(kind),
            licenses=_licenses(subject.license),
            purl=PackageURL("pypi", name=subject.name, version=subject.version),
            bom_ref="subject",
        )

    def add_python(self, packages: Mapping[str, PythonPackage], needed: Iterable[str]) -> None:
        """Adds the packages by normalised name; the subject needs those of *needed* directly."""
        components = {name: _python_component(name, package) for name, package in packages.items()}
        self._add(components.values())
        for name, package in packages.items():
            requires = [components[other] for other in sorted(package.requires) if other in components]
            self._bom.register_dependency(components[name], requires)
        self._bom.register_dependency(self._subject, [components[name] for name in sorted(set(needed))])

    def add_debian(self, packages: Iterable[DebianPackage], release: Mapping[str, str]) -> None:
        """Adds the packages of the base, and the distribution that `os-release` describes."""
        distribution = Component(
            name=release["ID"],
            version=release["VERSION_ID"],
            description=release["PRETTY_NAME"],
            type=ComponentType.OPERATING_SYSTEM,
            bom_ref=f"os:{release['ID']}-{release['VERSION_ID']}",
        )
        self._add([distribution, *(_debian_component(package, release) for package in packages)])

    def add_interpreter(self, version: str) -> None:
        """Adds the Python that runs the program; the base may have built it itself."""
        url = PackageURL("generic", name="python", version=version)
        self._add(
            [
                Component(
                    name="python", version=version, type=ComponentType.PLATFORM, purl=url, bom_ref=str(url)
                )
            ]
        )

    def write(self, file: Path) -> int:
        """Writes the document after a check against the schema; returns the number of components.

        Its serial number follows from what it says, so that the same materials are the same document.
        """
        self._bom.serial_number = uuid.uuid5(_NO_SERIAL_NUMBER, JsonV1Dot6(self._bom).output_as_string())
        text = JsonV1Dot6(self._bom).output_as_string(indent=2)
        if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
            raise BillError(f"{file.name}: {fault}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
        return len(self._bom.components)

    def _add(self, components: Iterable[Any]) -> None:
        for component in components:
            self._bom.components.add(component)
            self._bom.register_dependency(component)


def _python_component(name: str, package: PythonPackage) -> Any:
    url = PackageURL("pypi", name=name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        description=package.summary or None,
        type=ComponentType.LIBRARY,
        licenses=_licenses(package.license),
        purl=url,
        bom_ref=str(url),
    )


def _debian_component(package: DebianPackage, release: Mapping[str, str]) -> Any:
    url = PackageURL(
        "deb",
        release["ID"],
        package.name,
        package.version,
        {
            "arch": package.architecture,
            "distro": f"{release['ID']}-{release['VERSION_ID']}",
            "upstream": f"{package.source}@{package.source_version}",
        },
    )
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        supplier=OrganizationalEntity(name=package.maintainer) if package.maintainer else None,
        purl=url,
        bom_ref=str(url),
    )


def _licenses(text: str) -> list[Any]:
    """The declared licence, as an SPDX identifier or expression where it is one."""
    if not text:
        return []
    declared = LicenseAcknowledgement.DECLARED
    return [LicenseFactory().make_from_string(text, license_acknowledgement=declared)]
