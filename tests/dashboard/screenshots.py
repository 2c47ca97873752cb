"""Pictures of each view of the page, and of the report: `python -m tests.dashboard.screenshots FOLDER`.

Each is taken at 1280 and at 360 pixels, light and dark. `make pictures` takes those of the documentation,
with `--documentation`: the upper part of two views at 1280 pixels.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command_line.process import job_profiler
from tests.dashboard.browser.boutique import write_boutique
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.served_dashboard import dashboard
from tests.dashboard.browser.views import LOOKS, addresses
from tests.dashboard.browser.visit import DESKTOP, Look

VIEWS = addresses("shop", "frontend")
# Of the documentation: the view, and the window that shows its upper part.
PICTURES = {
    "dashboard": ("overview", Look(DESKTOP, "light", 860)),
    "dashboard-dark": ("overview", Look(DESKTOP, "dark", 860)),
    "workload": ("workload", Look(DESKTOP, "light", 760)),
}


@dataclass(frozen=True, slots=True)
class Shop:
    """The served page over two weeks of a shop, its report and the browser."""

    url: str
    report: Path
    chromium: Chromium


def main() -> None:
    """Writes the pictures, and prints the size of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documentation", action="store_true", help="only the pictures of the documentation")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    take = take_pictures if options.documentation else take_all
    with shop() as served:
        for file in take(served, options.folder):
            print(f"{file.stat().st_size / 1000:>6.0f} kB  {file}")


@contextmanager
def shop() -> Iterator[Shop]:
    """A shop whose page is served."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        directory = Path(name)
        history = write_boutique(directory / "shop.npz")
        report = directory / "report.html"
        job_profiler("report", report, "-A", "--history", history).check_returncode()
        with (
            dashboard(directory, "-A", "--history", history) as url,
            Chromium(directory / "chromium") as chromium,
        ):
            yield Shop(url, report, chromium)


def take_all(served: Shop, folder: Path) -> Iterator[Path]:
    """All views and the report in each look."""
    for look in LOOKS:
        with served.chromium.visit(served.url, look) as visit:
            for name, path in VIEWS.items():
                file = folder / f"{name}-{look.title}.png"
                visit.open(path).screenshot(path=file, full_page=True)
                yield file
        with served.chromium.visit(served.report.as_uri(), look) as visit:
            file = folder / f"report-{look.title}.png"
            visit.open().screenshot(path=file, full_page=True)
            yield file


def take_pictures(served: Shop, folder: Path) -> Iterator[Path]:
    """The pictures of the documentation."""
    for name, (view, look) in PICTURES.items():
        with served.chromium.visit(served.url, look) as visit:
            file = folder / f"{name}.png"
            visit.open(VIEWS[view]).screenshot(path=file)
            yield file


if __name__ == "__main__":
    main()
