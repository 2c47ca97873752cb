"""Writes the bills of materials: `python -m supply_chain.sbom DIRECTORY`.

`DIRECTORY` gets one CycloneDX document for the wheel: the program and the locked packages that it needs. With
`--image-root` it gets one for an image too: everything in the root file system, the base's Debian packages
included.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supply_chain import debian_packages, python_packages
from supply_chain.bill import Bill
from supply_chain.python_packages import PythonPackage, closure, needed, normalised
from supply_chain.source_date import source_date_epoch

PROGRAM = "opt/job-profiler"
OS_RELEASE = "etc/os-release"
# Packages of the base's own Python: where the official image and where Debian has them.
BASE_PACKAGES = ("usr/local/lib/python3*/site-packages", "usr/lib/python3/dist-packages")


def main(arguments: Sequence[str]) -> int:
    """Writes the documents, and prints a line for each."""
    parser = argparse.ArgumentParser(description="Writes the bills of materials of wheel and image.")
    parser.add_argument("directory", type=Path, help="where the documents are written")
    parser.add_argument(
        "--environment",
        type=Path,
        default=Path(".venv"),
        help="a virtual environment with all locked packages",
    )
    parser.add_argument("--image-root", type=Path, help="the root file system of an image")
    options = parser.parse_args(arguments)
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    timestamp = source_date_epoch(Path())
    bill = wheel_bill(project, options.environment, timestamp)
    _write(bill, options.directory / f"{_stem(project)}.wheel.cdx.json")
    if options.image_root:
        bill = image_bill(options.image_root, timestamp)
        _write(bill, options.directory / f"{_stem(project)}.image.cdx.json")
    return 0


def wheel_bill(project: dict[str, Any], environment: Path, timestamp: int) -> Bill:
    """The program and what it needs, in the versions of *environment*."""
    subject = PythonPackage(
        project["name"], project["version"], project["description"], project["license"], frozenset()
    )
    installed = python_packages.installed_packages(_site_packages(environment))
    bill = Bill(subject, "library", timestamp=timestamp)
    bill.add_python(closure(installed, project["dependencies"]), needed(project["dependencies"]))
    return bill


def image_bill(root: Path, timestamp: int) -> Bill:
    """Everything in the image: Python packages of program and base, the interpreter, Debian packages."""
    program = root / PROGRAM
    of_base = [folder for pattern in BASE_PACKAGES for folder in sorted(root.glob(pattern))]
    packages = python_packages.installed_packages([*_site_packages(program), *of_base])
    subject = packages.pop(normalised("kubernetes-job-profiler"))
    bill = Bill(subject, "container", timestamp=timestamp)
    bill.add_python(packages, subject.requires)
    bill.add_interpreter(_settings(program / "pyvenv.cfg")["version"])
    bill.add_debian(debian_packages.installed_packages(root), _settings(root / OS_RELEASE))
    return bill


def _site_packages(environment: Path) -> list[Path]:
    return sorted(environment.glob("lib/python3*/site-packages"))


def _settings(file: Path) -> dict[str, str]:
    """The lines `name=value` of a file; quotes around values are removed."""
    pairs = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _stem(project: dict[str, Any]) -> str:
    return f"{project['name']}-{project['version']}"


def _write(bill: Bill, file: Path) -> None:
    print(f"{file}: {bill.write(file)} components")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
