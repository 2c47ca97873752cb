"""Builds `docs/pages/` with MkDocs into `dist/site` and with Zensical into `dist/site-zensical`.

The exit code is 1 after any warning, such as a link to a page or heading that does not exist, and if a built
page loads anything from another host. Links of readers to other hosts are counted and not followed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "docs" / "mkdocs.yml"
# Zensical writes below the folder of its configuration only.
ZENSICAL_SITE = ROOT / "docs" / ".site"
SITES = {"mkdocs": ROOT / "dist" / "site", "zensical": ROOT / "dist" / "site-zensical"}

_REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_REMOTE_STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
_LOADED = {"src", "poster", "data"}
# Images of which a browser loads one: each is an address and, after a space, its size.
_SOURCE_SETS = {"srcset", "imagesrcset"}
_SOURCES = re.compile(r"(?:^|,)\s*(\S*[^\s,])")
# Elements of SVG that load what they refer to.
_REFERRING = {"image", "use", "feimage"}
# Relations of <link> that make a browser load or connect.
_LOADED_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}


class Resources(HTMLParser):
    """The addresses on other hosts that a page loads, and those that its reader may follow."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sorts the addresses of one element."""
        values = {name: value or "" for name, value in attrs}
        addresses = [values[name] for name in _LOADED & values.keys()]
        for name in _SOURCE_SETS & values.keys():
            addresses += _SOURCES.findall(values[name])
        if tag in _REFERRING:
            addresses += [values.get("href", ""), values.get("xlink:href", "")]
        if tag == "link" and _LOADED_RELATIONS & set(values.get("rel", "").split()):
            addresses.append(values.get("href", ""))
        self.loaded += [address for address in addresses if _REMOTE.match(address)]
        self.loaded += _REMOTE_STYLE.findall(values.get("style", ""))
        self._in_style = tag == "style"
        if tag == "a" and _REMOTE.match(values.get("href", "")):
            self.followed.append(values["href"])

    def handle_endtag(self, _tag: str) -> None:
        """No element is open in a style sheet."""
        self._in_style = False

    def handle_data(self, data: str) -> None:
        """Finds the addresses in the text of <style>."""
        if self._in_style:
            self.loaded += _REMOTE_STYLE.findall(data)


def main() -> int:
    """Builds and checks both sites; returns the exit code."""
    for site in (*SITES.values(), ZENSICAL_SITE):
        shutil.rmtree(site, ignore_errors=True)
    built = [_build(tool) for tool in SITES]
    if not all(built):
        return 1
    ZENSICAL_SITE.rename(SITES["zensical"])
    remote = [line for site in SITES.values() for line in remote_resources(site)]
    for line in remote:
        print(line, file=sys.stderr)
    if remote:
        return 1
    for tool, site in SITES.items():
        pages = sorted(site.rglob("*.html"))
        followed = {address for page in pages for address in Resources(page.read_text()).followed}
        print(
            f"{tool}: {len(pages)} pages in {site.relative_to(ROOT)}, no warning, nothing loaded from other "
            f"hosts; {len(followed)} links to other hosts, not followed"
        )
    return 0


def remote_resources(site: Path) -> Iterator[str]:
    """A line for each address on another host that a page or style sheet of the site loads."""
    for page in sorted(site.rglob("*.html")):
        yield from (f"{page}: loads {address}" for address in Resources(page.read_text()).loaded)
    for sheet in sorted(site.rglob("*.css")):
        yield from (f"{sheet}: loads {address}" for address in _REMOTE_STYLE.findall(sheet.read_text()))


def _build(tool: str) -> bool:
    """Whether the tool builds the site without a warning; its output is shown if not."""
    options = ["--strict", "--config-file", str(CONFIGURATION)]
    options += ["--site-dir", str(SITES[tool])] if tool == "mkdocs" else ["--clean"]
    done = subprocess.run(
        [sys.executable, "-m", tool, "build", *options],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
        print(f"docs/build.py: {tool} found a fault", file=sys.stderr)
    return not done.returncode


if __name__ == "__main__":
    sys.exit(main())
