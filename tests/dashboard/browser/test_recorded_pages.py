"""The pages of recorded usage, served and as one file: usage and its curves, compared with the record."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.command_line.process import job_profiler
from tests.dashboard.browser.accessibility import violations
from tests.dashboard.browser.boutique import MEBIBYTE, SERVICES, write_boutique
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.drawings import collisions, labels
from tests.dashboard.browser.served_dashboard import dashboard
from tests.dashboard.browser.views import LOOKS, cores, mebibytes, rows
from tests.dashboard.browser.visit import DESKTOP, PHONE, Look, Visit

pytestmark = pytest.mark.browser

FRONTEND = "/workload?namespace=shop&name=frontend"
NEEDED_CONTRAST, READABLE_PIXELS = 4.5, 9


@dataclass(frozen=True)
class Record:
    """A history file, its page and its report, and the profiles that `profile` computes from it."""

    file: Path
    url: str
    report: Path
    needs: dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """Two weeks of a shop; the report is written while the page is served."""
    directory = tmp_path_factory.mktemp("recorded")
    file, report = write_boutique(directory / "boutique.npz"), directory / "report.html"
    with dashboard(directory, "-A", "--history", file) as url:
        written = job_profiler("report", report, "-A", "--history", file)
        assert written.returncode == 0, written.stderr
        profiles = job_profiler("profile", "-A", "--history", file, "-o", "json")
        yield Record(file, url, report, _needs(json.loads(profiles.stdout)["items"]))


@pytest.fixture
def visit(chromium: Chromium, record: Record) -> Iterator[Visit]:
    """A window at 1280 pixels; the test fails if a page has a fault."""
    with chromium.visit(record.url) as window:
        yield window
        assert window.found_faults() == []


@pytest.fixture
def report(chromium: Chromium, record: Record) -> Iterator[Visit]:
    """A window for the file; the test fails if it requests anything beside itself."""
    with chromium.visit(record.report.as_uri()) as window:
        yield window
        assert window.found_faults() == []
        assert set(window.requests) <= {record.report.as_uri()}


def test_needs_and_usage_of_the_workloads(visit: Visit, record: Record) -> None:
    """Needs are those of `profile`, rounded up; usage is the mean of the last three steps of all Pods."""
    page = visit.open("/workloads")
    shown = {row[0].split()[0]: row for row in rows(page, "#workloads")}

    assert set(shown) == {service.place for service in SERVICES}
    for service in SERVICES:
        row, (used_cores, used_bytes) = shown[service.place], _usage(record.file, service.place)
        assert cores(row[3]) == Decimal(math.ceil(record.needs[service.place, "CPUProfile"] * 1000)) / 1000
        assert mebibytes(row[8]) == math.ceil(record.needs[service.place, "MemoryProfile"] / MEBIBYTE)
        assert float(cores(row[4])) == pytest.approx(used_cores, abs=0.0011)
        assert float(mebibytes(row[9])) == pytest.approx(used_bytes / MEBIBYTE, abs=1.1)


def test_curves_in_every_look(visit: Visit) -> None:
    """Labels of both charts can be read, do not collide, and name the value and the request."""
    page = visit.open(FRONTEND)
    charts = page.locator("figure.curve svg")

    assert charts.count() == 2
    for look in LOOKS:
        visit.wear(look)
        found = labels(charts)
        assert [label.text for label in found if label.contrast < NEEDED_CONTRAST] == [], look
        assert [label.text for label in found if label.size < READABLE_PIXELS] == [], look
        assert collisions(found) == [], look
        assert {"request 1", "request 512 MiB"} <= {label.text for label in found}
        assert (visit.overflowing(), violations(page)) == ([], []), look


def test_the_report_in_every_look(report: Visit) -> None:
    """One file from the disk, with no request: no rule of axe is violated, nothing scrolls sideways."""
    page = report.open()

    for look in (Look(PHONE, "dark"), Look(DESKTOP, "light")):
        report.wear(look)
        assert (report.overflowing(), violations(page)) == ([], []), look


def test_the_report_has_what_the_page_has(visit: Visit, report: Visit) -> None:
    """The same numbers in each table, a section with two curves for each workload, and links to them."""
    page, served = report.open(), visit.open("/workloads")

    assert rows(page, "#workloads") == rows(served, "#workloads")
    visit.open("/connections")
    assert rows(page, "#connections") == rows(served, "#connections")
    visit.open("/namespaces")
    assert rows(page, "#namespaces") == rows(served, "#namespaces")
    assert page.locator("figure.curve svg").count() == 2 * len(SERVICES)
    page.locator("#workloads").get_by_role("link", name="shop/checkout").click()
    heading = page.locator(page.evaluate("location.hash"))
    assert heading.inner_text().split() == ["Deployment", "in", "shop", "checkout"]
    expect(heading).to_be_in_viewport()


def test_sort_and_search_in_the_report(report: Visit) -> None:
    """The script of the file works without a server: the largest need first, and a part of a name."""
    page = report.open()
    table = page.locator("#workloads")

    table.get_by_role("button", name="Need").first.click()
    assert rows(page, "#workloads")[0][0].split()[0] == "data/orders"
    page.get_by_role("searchbox").first.fill("pay")
    page.get_by_text(f"1 of {len(SERVICES)} rows").wait_for()
    assert [row[0] for row in rows(page, "#workloads")] == ["shop/payment"]


def test_paper_has_whole_tables_and_curves(report: Visit) -> None:
    """A4 has about 700 pixels within its margins: nothing is wider, and headers keep their words."""
    page = report.open()
    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print")

    assert report.overflowing() == []
    assert "Request" in page.locator("#workloads thead").inner_text()
    assert not page.get_by_role("search").first.is_visible()


def test_the_end_of_a_record_is_not_called_now(visit: Visit) -> None:
    """Of a record to 10 March, 15 days after its first midnight, usage and the foot of a page say so."""
    end = "10 Mar 2026, 00:00 UTC"

    page = visit.open(FRONTEND)
    assert f"Usage at its end, {end}" in page.locator(".amounts").first.inner_text()
    assert "now" not in page.locator(".amounts").first.inner_text()
    assert end in page.locator("footer").inner_text()
    visit.open("/workloads")
    assert page.locator("#workloads-caption").inner_text().endswith(f"of the record, which ends on {end}")


def test_a_phone_shows_names_beside_numbers(chromium: Chromium, record: Record) -> None:
    """A table that is wider than the window scrolls in itself, and the names stay in sight."""
    with chromium.visit(record.url, Look(PHONE)) as visit:
        page = visit.open("/workloads")
        name = page.locator("#workloads tbody th").first
        page.locator("#workloads tbody tr").first.locator("td").last.scroll_into_view_if_needed()

        assert page.locator(".scroll").first.evaluate("one => one.scrollLeft") > 0
        assert name.evaluate("one => one.getBoundingClientRect().left") >= 0


def test_a_phone_shows_the_newest_of_a_curve_and_what_is_ranked(chromium: Chromium, record: Record) -> None:
    """At 360 pixels a curve is scrolled to its end, and the column that ranks is in sight."""
    with chromium.visit(record.url, Look(PHONE)) as visit:
        page = visit.open(FRONTEND)
        curve = page.locator(".curve .scroll").first
        assert curve.evaluate("one => one.scrollWidth - one.clientWidth - one.scrollLeft") <= 1
        assert curve.evaluate("one => one.scrollLeft") > 0
        visit.open("/")
        assert page.locator(".ranked .scroll").evaluate_all(
            "all => all.map(one => one.scrollWidth - one.clientWidth)"
        ) == [0, 0]


def test_the_list_of_workloads_fits_a_desktop(visit: Visit) -> None:
    """At 1280 pixels no column is outside of its box; nothing scales these workloads."""
    page = visit.open("/workloads")

    assert page.locator(".scroll").first.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert "Scaled by" not in page.locator("#workloads thead").inner_text()


def _needs(items: list[dict[str, dict[str, dict[str, str]]]]) -> dict[tuple[str, str], float]:
    """The value of each CPU and memory profile, by place and kind."""
    needs = {}
    for item in items:
        for field, kind in (("cpuProfiling", "CPUProfile"), ("memoryProfiling", "MemoryProfile")):
            if field in item["spec"]:
                notes = item["metadata"]["annotations"]
                prefix = "job-profiler.liqo.io/workload"
                place = f"{notes[f'{prefix}-namespace']}/{notes[f'{prefix}-name']}"
                needs[place, kind] = float(item["spec"][field]["value"])
    return needs


def _usage(file: Path, place: str) -> tuple[float, float]:
    """The mean CPU and memory of the Pods of a workload over the last three samples of the record."""
    arrays = np.load(file)
    found = []
    for key in ("cpu_cores", "memory_bytes"):
        ends = [
            arrays[key][arrays["offsets"][number + 1] - 3 : arrays["offsets"][number + 1]].mean()
            for number, workload in enumerate(arrays["workloads"])
            if str(workload).partition("/")[2] == place
        ]
        found.append(float(np.mean(ends)))
    return found[0], found[1]
