"""The pages of a cluster's stored profiles: clicked through, read, and compared with the stored objects."""

import http.client
from collections.abc import Iterable, Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import yaml

from tests.dashboard.browser.accessibility import violations
from tests.dashboard.browser.background_server import api_server
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.served_dashboard import dashboard
from tests.dashboard.browser.stored_shop import (
    CALLS,
    CORES,
    GIB,
    HISTORY,
    HOSTILE,
    SHOP,
    SIGNALS,
    SLOTS,
    WHY,
    Stored,
    serve_shop,
)
from tests.dashboard.browser.views import LOOKS, addresses, cores, mebibytes, rows
from tests.dashboard.browser.visit import WALL, Look, Visit

pytestmark = pytest.mark.browser

VIEWS = addresses("shop", "web")
NONE = "\u2013"
KNOWN = [stored for stored in SHOP if stored.replicas]
# Columns of the table of workloads.
NAME, PODS, CPU_REQUEST, CPU_NEED, SPARE_CORES, MEMORY_REQUEST, MEMORY_NEED, SPARE_GIB, RISK = (
    *(0, 1, 2, 3, 6, 7, 8, 11),
    12,
)
UNITS = (CORES, GIB)


def sums(shop: Iterable[Stored], unit: str) -> tuple[Decimal, Decimal, Decimal]:
    """What is requested, what of it is not needed, and what is missing: the last two do not cancel out."""
    known = list(shop)
    spare = [stored.spare(unit) for stored in known]
    requested = sum((stored.requested(unit) for stored in known), Decimal(0))
    over, under = (sum((abs(part) for part in spare if part * sign > 0), Decimal(0)) for sign in (1, -1))
    return requested, over, under


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page over the stored profiles of the shop."""
    directory = tmp_path_factory.mktemp("dashboard")
    with api_server(serve_shop) as server:
        kubeconfig = server.kubeconfig(directory)
        with dashboard(directory, "-A", "--kubeconfig", kubeconfig) as address:
            yield address


@pytest.fixture
def visit(chromium: Chromium, url: str) -> Iterator[Visit]:
    """A window at 1280 pixels; the test fails if a page has a fault."""
    with chromium.visit(url) as window:
        yield window
        assert window.found_faults() == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_in_every_look(visit: Visit, view: str) -> None:
    """No rule of axe is violated at 360 and 1280 pixels, light and dark; no page scrolls sideways."""
    page = visit.open(VIEWS[view])

    for look in LOOKS:
        visit.wear(look)
        assert visit.overflowing() == [], look
        assert violations(page) == [], look
    visit.wear(Look(WALL))
    assert visit.overflowing() == []


def test_all_views_by_mouse(visit: Visit) -> None:
    """From the overview each view is reached by a click, and so is the way back."""
    page = visit.open("/")
    menu = page.get_by_role("navigation", name="Views")
    headings = []
    for link in (
        menu.get_by_role("link", name="Workloads"),
        page.locator("#workloads").get_by_role("link", name="shop/web"),
        page.get_by_role("link", name="shop/api"),
        page.locator("h1").get_by_role("link", name="shop"),
        menu.get_by_role("link", name="Connections"),
        page.get_by_role("link", name="shop/cart").first,
        menu.get_by_role("link", name="Namespaces"),
        page.get_by_role("link", name="data", exact=True),
        menu.get_by_role("link", name="Overview"),
    ):
        link.click()
        headings.append(page.locator("h1").inner_text().split())
    page.go_back()
    headings.append(page.locator("h1").inner_text().split())

    assert headings == [
        ["Workloads"],
        ["Deployment", "in", "shop", "web"],
        ["Deployment", "in", "shop", "api"],
        ["Namespace", "shop"],
        ["Connections"],
        ["Deployment", "in", "shop", "cart"],
        ["Namespaces"],
        ["Namespace", "data"],
        ["Overview"],
        ["Namespace", "data"],
    ]


def test_all_views_by_keyboard(visit: Visit) -> None:
    """Tab and Enter reach each view; the focus is always visible, and a link leads past the menu."""
    page = visit.open("/")
    visit.tab_to("Skip to the content")
    page.keyboard.press("Enter")
    visit.tab_to("shop/search")
    page.keyboard.press("Enter")
    headings = [page.locator("h1").inner_text()]
    for link in (
        "shop",
        "Workloads",
        "shop/web",
        "Copy the patch",
        "Connections",
        "Namespaces",
        "data",
        "Overview",
    ):
        visit.tab_to(link)
        page.keyboard.press("Enter")
        headings.append(page.locator("h1").inner_text())

    last_words = [heading.split()[-1] for heading in headings]
    assert last_words == [
        "search",
        "shop",
        "Workloads",
        "web",
        "web",
        "Connections",
        "Namespaces",
        "data",
        "Overview",
    ]


def test_numbers_of_the_overview(visit: Visit) -> None:
    """Cores: 4.80 + 1.14 + 0.41 + 0.36 + 0.09 = 6.80 of 12.10 are not needed, and api lacks 0.50."""
    page = visit.open("/")
    cards = page.locator(".card").all_inner_texts()

    for card, resource, unit in zip(cards, ("cpu", "memory"), UNITS, strict=True):
        requested, over, under = sums(KNOWN, unit)
        assert card.split()[1] == f"{over:.2f}"
        assert f"Requested\n{requested:.2f} {unit}" in card
        assert f"Needed\n{sum(stored.needed(unit) for stored in KNOWN):.2f} {unit}" in card
        assert f"Not needed\n{over / requested:.0%}" in card
        assert f"Missing\n{under:.2f} {unit}" in card
        waste = sorted((stored.spare(unit), stored.place) for stored in KNOWN if stored.spare(unit) > 0)
        shown = rows(page, f"[aria-labelledby=waste-{resource}-title]")
        assert [(row[NAME].split()[0], row[-1]) for row in shown] == [
            (place, f"{spare:+.2f}") for spare, place in reversed(waste)
        ]
    assert [row[NAME] for row in rows(page, "#risks")] == ["shop/api", "shop/web"]


def test_health_of_the_overview(visit: Visit) -> None:
    """The leader of the Lease, the signals of the report, and why a workload has no profile."""
    page = visit.open("/")

    health = page.locator("section[aria-labelledby=health]")
    assert "profiler-1" in health.inner_text()
    assert rows(page, "#signals") == [
        [signal["signal"], signal["state"], signal["since"], signal["message"] or NONE] for signal in SIGNALS
    ]
    page.get_by_text("Why workloads have no profile").click()
    assert "TooFewSamples: 3 of 12" in health.inner_text()


def test_numbers_of_the_workloads(visit: Visit) -> None:
    """Each cell is the stored need and request of a Pod, and the difference over all Pods."""
    page = visit.open("/workloads")
    shown = {row[NAME].split()[0]: row for row in rows(page, "#workloads")}

    for stored in KNOWN:
        row = shown[stored.place]
        assert (row[PODS], cores(row[CPU_NEED])) == (str(stored.replicas), Decimal(stored.cores))
        assert cores(row[CPU_REQUEST]) == Decimal(stored.requested_cores or 0)
        assert mebibytes(row[MEMORY_NEED]) == stored.mebibytes
        assert mebibytes(row[MEMORY_REQUEST]) == (stored.requested_mebibytes or 0)
        assert [row[SPARE_CORES], row[SPARE_GIB]] == [f"{stored.spare(unit):+.2f}" for unit in UNITS]
    etl = shown["data/etl-{digits}"]
    assert (etl[PODS], etl[CPU_REQUEST], cores(etl[CPU_NEED]), etl[SPARE_CORES]) == (
        NONE,
        NONE,
        Decimal("0.9"),
        NONE,
    )
    assert "stale" in shown["attic/old"][NAME]
    assert (shown["shop/api"][RISK], shown["shop/web"][RISK]) == ("lacks 33%", "lacks 26%")


def test_sort_filter_and_search(visit: Visit) -> None:
    """The largest need first, then the smallest; one namespace; those at risk; a part of a name."""
    page = visit.open("/workloads")

    def places() -> list[str]:
        return [row[NAME].split()[0] for row in rows(page, "#workloads")]

    namespace, state, search = (page.get_by_label(label) for label in ("Namespace", "Show", "Search"))
    counted = page.get_by_role("status")

    namespace.select_option("shop")
    counted.get_by_text("4 of 10 rows").wait_for()
    visit.tab_to("Need")
    page.keyboard.press("Enter")
    by_need = [
        stored.place
        for stored in sorted(KNOWN, key=lambda one: -Decimal(one.cores))
        if stored.namespace == "shop"
    ]
    assert places() == by_need
    page.keyboard.press("Enter")
    assert places() == by_need[::-1]
    state.select_option("under")
    counted.get_by_text("2 of 10 rows").wait_for()
    assert places() == ["shop/web", "shop/api"]
    page.reload()
    assert places() == ["shop/web", "shop/api"]
    state.select_option("")
    search.fill("ART")
    counted.get_by_text("1 of 10 rows").wait_for()
    assert places() == ["shop/cart"]
    search.fill("nothing-of-this-name")
    counted.get_by_text("No workload matches.").wait_for()
    assert page.locator("p.empty").get_by_text("No workload matches.").is_visible()


@pytest.mark.parametrize("alias", ["deploy", "Deployment", "deployments"])
def test_search_by_kind_as_kubectl_names_it(visit: Visit, alias: str) -> None:
    """All Deployments; one of them by its name, with its namespace or without."""
    page = visit.open("/workloads?ns=shop")
    search, counted = page.get_by_label("Search"), page.get_by_role("status")
    of_shop = [one for one in SHOP if one.namespace == "shop"]

    search.fill(alias)
    counted.get_by_text(f"{len(of_shop)} of 10 rows").wait_for()
    for text in (f"{alias}/web", f"{alias}/shop/web"):
        search.fill(text)
        counted.get_by_text("1 of 10 rows").wait_for()
        assert [row[NAME] for row in rows(page, "#workloads")] == ["shop/web"]
    search.fill("sts")
    counted.get_by_text("No workload matches.").wait_for()


def test_amounts_over_all_pods_are_named_so(visit: Visit) -> None:
    """A group of columns has the amounts of one Pod, and another one those of all Pods."""
    page = visit.open("/workloads")
    groups = page.locator("#workloads thead tr").first.locator("th.group").all_inner_texts()
    assert groups == ["CPU of a Pod", "All Pods", "Memory of a Pod", "All Pods"]
    visit.open("/")
    assert "All Pods, cores" in page.locator(".ranked thead").first.inner_text()
    assert "doesn't make up for" in page.locator("[aria-labelledby=totals] .note").inner_text()


def test_numbers_of_a_workload(visit: Visit) -> None:
    """The amounts, the words, the slots, the changes and the neighbours of shop/web."""
    page = visit.open(VIEWS["workload"])
    [web] = [stored for stored in SHOP if stored.name == "web"]
    cpu, memory = (page.locator(f"[aria-labelledby={one}]") for one in ("cpu", "memory"))

    for section, amounts, unit in ((cpu, ["120m", "500m"], CORES), (memory, ["347Mi", "256Mi"], GIB)):
        shown = section.locator(".amounts .number").all_inner_texts()
        assert shown == [*amounts, NONE, NONE, f"{web.spare(unit):+.2f}"]
    assert WHY in cpu.inner_text()
    assert "4.1 %" in cpu.inner_text()
    assert "CPU throttling of app" in cpu.inner_text()
    slots = rows(page, "[aria-labelledby=cpu] .slots")
    assert [(slot[0][:5], cores(slot[1])) for slot in slots] == [
        (start, Decimal(value)) for start, value in SLOTS
    ]
    changes = rows(page, "[aria-labelledby=changes]")
    assert [(change[0], cores(change[2]), cores(change[3])) for change in changes] == [
        (one["time"], Decimal(one["old"]), Decimal(one["new"])) for one in HISTORY
    ]
    shares = page.locator("#callers-caption").inner_text()
    assert shares == "Share: of all messages that this workload exchanges with callers and called"
    callers = rows(page, "[aria-labelledby=callers]")
    callees = rows(page, "[aria-labelledby=callees]")
    assert [row[:2] for row in callers] == [["shop/bot", "20.00"]]
    # One in 50 of the messages to api was looked at, which its name is followed by.
    assert {row[0]: row[1] for row in callees} == {
        f"shop/{call.server}{' sampled 1 in 50' if call.server == 'api' else ''}": call.messages
        for call in CALLS
        if call.client == "web"
    }


def test_the_patch_is_copied(visit: Visit, url: str) -> None:
    """The copied text is a patch to the needs of web: 120m and 347Mi."""
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open(VIEWS["workload"])

    page.get_by_role("button", name="Copy the patch").click()
    page.get_by_role("button", name="Copied").wait_for()

    patch = yaml.safe_load(page.evaluate("navigator.clipboard.readText()"))
    [container] = patch["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "app", "resources": {"requests": {"cpu": "120m", "memory": "347Mi"}}}


def test_numbers_of_the_connections(visit: Visit) -> None:
    """All five, the most messages first: 60.00 and 5120 bytes per second from web to api.

    What counts a connection comes last, with what it can't see; of the others it is not known.
    """
    page = visit.open("/connections")
    shown = rows(page, "#connections")

    assert [row[:2] + row[3:4] for row in shown] == [
        [f"shop/{call.client}", f"shop/{call.server}", call.messages]
        for call in sorted(CALLS, key=lambda call: -Decimal(call.messages))
    ]
    assert shown[0][5:] == ["5.1kB", "900B", "service-graph (sampled 1 in 50)"]
    assert {row[7] for row in shown[1:]} == {""}
    page.get_by_label("Search").fill("bot")
    page.get_by_text("1 of 5 rows").wait_for()
    assert [row[0] for row in rows(page, "#connections")] == ["shop/bot"]


def test_numbers_of_the_namespaces(visit: Visit) -> None:
    """The sums of each namespace; data has orders alone, since the replicas of etl are not known."""
    page = visit.open("/namespaces")
    shown = {row[0]: row for row in rows(page, "#namespaces")}

    assert set(shown) == {"attic", "data", "shop"}
    for namespace, row in shown.items():
        members = [stored for stored in KNOWN if stored.namespace == namespace]
        requested, over, under = sums(members, CORES)
        assert row[1:6] == [
            str(len(members)),
            f"{requested:.2f}",
            f"{over:.2f}",
            f"{over / requested:.0%}",
            f"{under:.2f}",
        ]


@pytest.mark.parametrize("stored", HOSTILE, ids=["markup", "quotes", "right-to-left"])
def test_a_hostile_name_is_a_text(visit: Visit, stored: Stored) -> None:
    """Markup, quotes, template syntax and an override of the direction: shown as they are, links work."""
    page = visit.open("/workloads")
    [name] = [row[NAME] for row in rows(page, "#workloads") if stored.name in row[NAME]]
    assert name.startswith(stored.place)

    page.get_by_role("link", name=stored.place, exact=True).click()
    assert page.locator("h1").inner_text().endswith(stored.name)
    page.locator("h1").get_by_role("link", name=stored.namespace, exact=True).click()
    assert page.locator("h1").inner_text().endswith(stored.namespace)
    assert page.locator("main img, main script").count() == 0


def test_a_mark_of_direction_changes_the_name_alone(visit: Visit) -> None:
    """The kind stands at the right of a name that orders text from right to left, as of any other name."""
    page = visit.open("/workloads")
    row = page.locator("#workloads tbody tr", has_text="gnp.exe")
    name, kind = (row.locator(part).bounding_box() for part in ("th a", ".kind"))

    assert name
    assert kind
    assert name["x"] + name["width"] <= kind["x"]


def test_the_list_of_workloads_fits_a_desktop(visit: Visit) -> None:
    """At 1280 pixels no column is outside of its box."""
    page = visit.open("/workloads")

    assert page.locator(".scroll").first.evaluate("box => box.scrollWidth - box.clientWidth") == 0


@pytest.mark.parametrize(
    ("method", "host", "token", "status"),
    [
        ("GET", "127.0.0.1", True, 200),
        ("HEAD", "localhost", True, 200),
        ("GET", "127.0.0.1", False, 403),
        ("GET", "rebound.example.org", True, 421),
        ("POST", "127.0.0.1", True, 405),
        ("DELETE", "127.0.0.1", True, 405),
        ("OPTIONS", "127.0.0.1", True, 405),
    ],
)
def test_who_is_answered(url: str, method: str, host: str, token: bool, status: int) -> None:  # noqa: FBT001
    """Only GET and HEAD, with the token and a Host of this machine; a refusal has no word of the cluster."""
    server = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", server.port or 0, timeout=10)
    path = f"{server.path}/workloads" if token else f"/{'x' * (len(server.path) - 1)}/workloads"
    connection.request(method, path, headers={"Host": f"{host}:{server.port}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()

    assert answer.status == status
    assert (b"shop/" in content or b"attic" in content) is (status == 200 and method == "GET")
    policy = dict(
        part.strip().split(" ", 1) for part in (answer.headers["Content-Security-Policy"]).split(";")
    )
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) <= {"'self'", "'none'"}
