"""Debian packages are read from dpkg's status."""

from pathlib import Path

from supply_chain.debian_packages import STATUS, DebianPackage, installed_packages

PARAGRAPHS = """\
Package: libgcc-s1
Status: install ok installed
Maintainer: Debian GCC Maintainers <gcc@example.org>
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+deb12u1
Description: GCC support library
 Version: this line continues the description.

Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4+deb12u11

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""


def test_installed_packages_have_their_source(tmp_path: Path) -> None:
    """A source has its own name and version only where they differ; a removed package is left out."""
    status = tmp_path / STATUS
    status.parent.mkdir(parents=True)
    status.write_text(PARAGRAPHS)

    assert installed_packages(tmp_path) == [
        DebianPackage("base-files", "12.4+deb12u11", "amd64", "", "base-files", "12.4+deb12u11"),
        DebianPackage(
            "libgcc-s1",
            "12.2.0-14+deb12u1",
            "amd64",
            "Debian GCC Maintainers <gcc@example.org>",
            "gcc-12",
            "12.2.0-14",
        ),
    ]
