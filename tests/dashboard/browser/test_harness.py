"""A page with a fault fails the tests of pages: each kind of fault is noticed, and a sound page has none."""

import pytest

from tests.dashboard.browser.accessibility import violations
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.page_server import served
from tests.dashboard.browser.visit import PHONE, Look

pytestmark = pytest.mark.browser

SOUND = '<main><h1>Pods</h1><p>Two run.</p><a href="/">again</a></main>'


def test_a_sound_page_has_no_fault(chromium: Chromium) -> None:
    """A heading, a text and a link in a landmark: nothing is logged, nothing violated, nothing too wide."""
    with served(SOUND) as origin, chromium.visit(origin, Look(PHONE)) as visit:
        page = visit.open("/")
        visit.tab_to("again")

        assert (visit.found_faults(), violations(page), visit.overflowing()) == ([], [], [])
        assert visit.requests == [f"{origin}/"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>document.title = 'changed'</script>", "script-src-elem refused inline"),
        ('<p style="color: red">red</p>', "style-src-attr refused inline"),
        ('<img alt="" src="http://192.0.2.1/pixel">', "img-src refused http://192.0.2.1/pixel"),
        ('<img alt="" src="/missing">', "status of 404"),
    ],
)
def test_a_fault_of_a_page_is_noticed(chromium: Chromium, body: str, fault: str) -> None:
    """A script and a style in the page, an image of another host and one that is missing are faults."""
    with served(SOUND + body) as origin, chromium.visit(origin) as visit:
        visit.open("/")

        assert any(fault in found for found in visit.found_faults()), visit.faults


def test_a_request_to_another_origin_is_a_fault(chromium: Chromium) -> None:
    """A link that leads to another host: the policy of a page does not forbid it, and it is not sent."""
    with served(SOUND + '<a href="http://192.0.2.1/">away</a>') as origin, chromium.visit(origin) as visit:
        visit.open("/").get_by_text("away").click()

        assert "a request to http://192.0.2.1/" in visit.found_faults()


def test_what_a_reader_with_a_screen_reader_or_a_phone_misses_is_noticed(chromium: Chromium) -> None:
    """Pale text without a heading, and a table of 500 pixels in a window of 360."""
    with served('<main><table width="500"><td><font color="#bbb">pale') as origin:  # noqa: SIM117
        with chromium.visit(origin, Look(PHONE)) as visit:
            page = visit.open("/")

            assert {line.partition(":")[0] for line in violations(page)} == {
                "color-contrast",
                "page-has-heading-one",
            }
            assert visit.overflowing()[0].startswith("<table")


def test_focus_that_is_not_shown_is_a_fault(chromium: Chromium) -> None:
    """A field whose outline a script removes: the way of Tab through the page is not visible."""
    with served('<main><h1>Pods</h1><input name="search" aria-label="search"></main>') as origin:  # noqa: SIM117
        with chromium.visit(origin) as visit:
            page = visit.open("/")
            page.evaluate("document.querySelector('input').style.outline = 'none'")
            visit.tab_to("search")

            assert visit.found_faults() == ["focus on input 'search' can't be seen"]
