"""The server: only this machine with the token is answered, every name is text, and faults are sentences."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from urllib.parse import quote

import httpx
import pytest

from app.dashboard.facts import ClusterHealth, Needs, UsageNow
from app.dashboard.pages import SCRIPT, STYLE, static
from app.dashboard.protection import HEADERS, is_own_host, is_token
from app.dashboard.readings import Curves, Readings, SharedReading
from app.dashboard.server import Dashboard
from app.dashboard.workload import PlannedPatch
from app.decisions.figures import Manifest
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.errors import ForbiddenError, NotFoundError, ProfilerError, SourceError, UnavailableError
from tests.dashboard.elements import Elements
from tests.dashboard.shop import API, HOSTILE, OLD, USAGE, WEB, FakeSource
from tests.decisions.manifests import edge, need

TOKEN, PORT = "secret-token", 4321
OWN = f"http://127.0.0.1:{PORT}"
VIEWS = (
    "",
    "workloads",
    "connections",
    "namespaces",
    "namespace?name=shop",
    "workload?namespace=shop&name=web",
)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def application(source: FakeSource, clock: Clock | None = None) -> Dashboard:
    dashboard = Dashboard(
        Readings(source, clock or Clock()), TOKEN, lambda view: f"<svg>{view.resource}</svg>"
    )
    dashboard.port = PORT
    return dashboard


def client_of(dashboard: Dashboard, base: str = OWN) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(dashboard), base_url=base)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a dashboard of the shop."""
    async with client_of(application(FakeSource())) as opened:
        yield opened


@pytest.mark.parametrize("view", VIEWS)
async def test_every_view_has_the_headers_and_nothing_inline(client: httpx.AsyncClient, view: str) -> None:
    """No style, script or handler is in the page, and every address is on this server."""
    response = await client.get(f"/{TOKEN}/{view}")

    assert response.status_code == 200
    assert {name: response.headers[name] for name in HEADERS} == dict(HEADERS)
    policy = response.headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'self'; script-src 'self';"
        " img-src 'self'; frame-ancestors 'none'"
    )
    assert response.headers["cache-control"] == "no-store"
    for tag, attributes in Elements(response.text).tags:
        assert tag != "style"
        assert tag != "script" or (attributes["src"] or "").startswith(f"/{TOKEN}/static/")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "#").startswith((f"/{TOKEN}/", "#"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (f"127.0.0.1:{PORT}", 200),
        (f"LOCALHOST:{PORT}", 200),
        (f"[::1]:{PORT}", 421),
        ("127.0.0.1", 421),
        (f"127.0.0.1:{PORT + 1}", 421),
        (f"rebound.example:{PORT}", 421),
        (f"127.0.0.1.rebound.example:{PORT}", 421),
        ("", 421),
    ],
)
async def test_another_host_is_refused(client: httpx.AsyncClient, host: str, status: int) -> None:
    """A name that an attacker's DNS resolves to 127.0.0.1 is no name of this server, also with the token."""
    response = await client.get(f"/{TOKEN}/", headers={"Host": host})

    assert response.status_code == status
    assert ("shop" in response.text) == (status == 200)


def test_two_hosts_are_none() -> None:
    """A proxy could read one and this server the other."""
    assert not is_own_host([f"localhost:{PORT}", f"localhost:{PORT}"], PORT)
    assert not is_own_host([], PORT)
    assert is_own_host(["localhost"], 80)


@pytest.mark.parametrize(
    "path", ["/", "/secret-toke/", "/secret-token1/workloads", "/wrong/static/dashboard.css", "/x"]
)
async def test_without_the_token_nothing_is_shown(client: httpx.AsyncClient, path: str) -> None:
    """Not even which pages exist: each address has the same answer."""
    response = await client.get(path)

    assert (response.status_code, response.text) == (
        403,
        "This address has no valid token: open the one that the command printed.\n",
    )
    assert {name: response.headers[name] for name in HEADERS} == dict(HEADERS)


def test_a_token_is_compared_whatever_its_characters() -> None:
    """Also one that is no text of UTF-8."""
    assert is_token(TOKEN, TOKEN)
    assert not is_token("\udc80", TOKEN)
    assert not is_token("", TOKEN)


async def test_the_token_without_a_slash_leads_to_the_first_page(client: httpx.AsyncClient) -> None:
    """So that a copied address without its end works."""
    response = await client.get(f"/{TOKEN}")

    assert (response.status_code, response.headers["location"]) == (308, f"/{TOKEN}/")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_reading_is_accepted(client: httpx.AsyncClient, method: str) -> None:
    """Any other method has 405, with and without the token."""
    for path in (f"/{TOKEN}/", "/"):
        response = await client.request(method, path)

        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert (await client.head(f"/{TOKEN}/")).status_code == 200


async def test_static_files_are_three(client: httpx.AsyncClient) -> None:
    """No path leads out of their folder."""
    style, script = [await client.get(f"/{TOKEN}/static/{name}") for name in (STYLE, SCRIPT)]

    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert ".chart-fill-blue" in style.text
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for name in ("../pages.py", "%2e%2e/pages.py", "", "other.css", "/etc/passwd"):
        assert (await client.get(f"/{TOKEN}/static/{name}")).status_code == 404


def test_the_script_is_small_and_evaluates_nothing() -> None:
    """At most 300 lines; no eval, no markup from text, no request of its own."""
    script = static(SCRIPT)

    assert len(script.splitlines()) <= 300
    assert not re.search(
        r"eval\(|new Function|innerHTML|outerHTML|insertAdjacent|document\.write|fetch\(", script
    )


@pytest.mark.parametrize("view", [*VIEWS, "namespace?name={}", "workload?namespace={}&name={}"])
async def test_hostile_names_are_text(view: str) -> None:
    """Markup in names, a container, an explanation, a reason and the query is shown as it is."""
    source = FakeSource(
        [
            need(
                "cpu",
                HOSTILE,
                "0.100",
                namespace=HOSTILE,
                containers=({"name": HOSTILE, "value": "0.100"},),
                explanation=HOSTILE,
                signals=[{"container": HOSTILE, "reason": HOSTILE, "lastSeen": HOSTILE, "raisedBy": "1"}],
                risk={"level": HOSTILE},
                history=[{"time": "2026-03-01T12:00:00Z", "old": "1", "new": "2", "reason": HOSTILE}],
                replicas={"desired": 1},
                request="1",
            ),
            edge(HOSTILE, HOSTILE, "1.00", protocol=HOSTILE),
        ],
        name=HOSTILE,
        faults={"health": UnavailableError(HOSTILE)},
    )
    address = view.format(*[quote(HOSTILE, safe="")] * 2)
    async with client_of(application(source)) as client:
        response = await client.get(f"/{TOKEN}/{address}")

    page = Elements(response.text)
    assert not [tag for tag, attributes in page.tags if tag == "img" or "onerror" in attributes]
    assert "49" not in page.text.replace("149", "")
    assert HOSTILE in page.text


async def test_an_unknown_workload_and_page_are_sentences(client: httpx.AsyncClient) -> None:
    """Status 404, with what to do."""
    workload = await client.get(f"/{TOKEN}/workload?namespace=shop&name=nothing")
    page = await client.get(f"/{TOKEN}/nothing")
    namespace = await client.get(f"/{TOKEN}/namespace?name=nope")
    many = await client.get(f"/{TOKEN}/namespace?" + "&".join(f"a{n}=1" for n in range(50)))

    assert {one.status_code for one in (workload, page, many, namespace)} == {404}
    assert "No workload of nope has a profile or a connection." in namespace.text
    assert "shop/nothing has no profile: job-profiler status has the reason." in workload.text


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ForbiddenError("no right to list cpuprofiles"), "Ask for the right to read it"),
        (NotFoundError("no such kind"), "Install the job profiler"),
        (UnavailableError("connection refused"), "Check the cluster with kubectl get namespaces"),
        (ProfilerError("several releases are installed"), ""),
    ],
)
async def test_a_cluster_that_can_not_be_read_is_a_sentence(error: ProfilerError, remedy: str) -> None:
    """The message, and what to do; the page still has what could be read."""
    async with client_of(application(FakeSource(faults={"needs": error}))) as client:
        overview, edges, workload = [
            await client.get(f"/{TOKEN}/{view}")
            for view in ("", "connections", "workload?namespace=shop&name=web")
        ]

    assert overview.status_code == edges.status_code == 200
    assert str(error) in overview.text
    assert remedy in overview.text
    assert "a leader" in overview.text
    assert "60.00" in edges.text
    assert workload.status_code == 503
    assert str(error) in workload.text
    assert "No such workload" not in workload.text


async def test_without_prometheus_only_the_curve_is_missing() -> None:
    """The reason is said once, on top, as a sentence; all else of the view is there."""
    fault = SourceError("Unreachable", "no Service looks like Prometheus")
    async with client_of(application(FakeSource(faults={"usage": fault, "curves": fault}))) as client:
        page = await client.get(f"/{TOKEN}/workload?namespace=shop&name=web")

    assert page.text.count("No curve.") == 2
    assert page.text.count("no Service looks like Prometheus") == 1
    assert "read:</strong> no Service looks like Prometheus." in page.text
    assert "usage fell" in page.text
    assert "<svg>cpu</svg>" not in page.text


async def test_an_unknown_workload_is_not_blamed_on_another_part() -> None:
    """A Prometheus or connections that can't be read are no reason why a workload has no profile."""
    fault = SourceError("Unreachable", "no Service looks like Prometheus")
    async with client_of(application(FakeSource(faults={"usage": fault, "edges": fault}))) as client:
        page = await client.get(f"/{TOKEN}/workload?namespace=shop&name=nothing")

    assert "shop/nothing has no profile" in page.text
    assert "Prometheus" not in page.text


async def test_a_curve_is_drawn_and_a_patch_is_there_to_copy(client: httpx.AsyncClient) -> None:
    """One curve for each resource."""
    page = (await client.get(f"/{TOKEN}/workload?namespace=shop&name=web")).text

    assert "<svg>cpu</svg>" in page
    assert "<svg>memory</svg>" in page
    assert 'data-copy="patch-text"' in page


async def test_a_prometheus_that_does_not_answer_keeps_nobody_waiting() -> None:
    """The view says so in the place of the curve; a reload has the curve that was read meanwhile."""
    answered = asyncio.Event()

    class Source(FakeSource):
        async def curves(self, containers: Mapping[Workload, Sequence[str]]) -> Mapping[Workload, Curves]:
            await answered.wait()
            return await super().curves(containers)

    source = Source()
    readings = Readings(source, Clock())
    first = await readings.curves(WEB, (), patience_seconds=0.01)
    answered.set()
    second = await readings.curves(WEB, ())

    assert first.value is None
    assert first.fault
    assert first.fault.message == "Prometheus has not answered yet."
    assert second.value
    assert second.fault is None
    assert source.read == ["curves"]


async def test_the_curves_of_few_workloads_are_kept() -> None:
    """After 64 other workloads the first one is read again."""
    source = FakeSource()
    readings = Readings(source, Clock())
    last = Workload("shop", "w63")
    for workload in (WEB, *(Workload("shop", f"w{number}") for number in range(64)), last):
        await readings.curves(workload, ())
    assert source.read.count("curves") == 65

    await readings.curves(WEB, ())

    assert source.read.count("curves") == 66


async def test_requests_at_one_time_share_one_reading() -> None:
    """Ten requests read each part once, for 15 seconds; usage for a minute."""
    source, clock = FakeSource(), Clock()
    async with client_of(application(source, clock)) as client:
        await asyncio.gather(*(client.get(f"/{TOKEN}/workloads") for _ in range(10)))
        assert sorted(source.read) == ["needs", "usage"]
        clock.now += 14
        await client.get(f"/{TOKEN}/workloads")
        assert sorted(source.read) == ["needs", "usage"]
        clock.now += 2
        await client.get(f"/{TOKEN}/workloads")
        assert sorted(source.read) == ["needs", "needs", "usage"]
        clock.now += 50
        await client.get(f"/{TOKEN}/workloads")
        assert sorted(source.read) == ["needs", "needs", "needs", "usage", "usage"]


async def test_usage_is_read_for_the_workloads_of_the_same_page() -> None:
    """Profiles that take longer than Prometheus: the first usage has the groups of runs that they name."""
    known: list[Collection[Workload]] = []

    class Source(FakeSource):
        async def needs(self) -> Needs:
            await asyncio.sleep(0.01)
            return await super().needs()

        async def usage(self, workloads: Collection[Workload]) -> UsageNow:
            known.append(set(workloads))
            return await super().usage(workloads)

    facts = await Readings(Source(), Clock()).facts()

    assert known == [{WEB, API, OLD}]
    assert facts.usage == USAGE


async def test_a_fault_keeps_what_was_read_before() -> None:
    """The page shows the old values, and the fault; the next attempt comes after five seconds."""
    source, clock = FakeSource(), Clock()
    async with client_of(application(source, clock)) as client:
        await client.get(f"/{TOKEN}/workloads")
        source.faults["needs"] = UnavailableError("connection refused")
        clock.now += 16
        page = (await client.get(f"/{TOKEN}/workloads")).text
        await client.get(f"/{TOKEN}/workloads")

    assert re.search(r"connection refused\. What is shown was read at \d{4}-\d\d-\d\dT\S+Z\.", page)
    assert ">web<" in page
    assert source.read.count("needs") == 2


async def test_a_request_that_ends_does_not_end_the_reading_of_others() -> None:
    """A browser that goes to another page cancels its request; who waits for the same reading gets it."""
    began, release = asyncio.Event(), asyncio.Event()

    async def read() -> str:
        began.set()
        await release.wait()
        return "value"

    reading = SharedReading("Profiles", read, Clock())
    first = asyncio.create_task(reading.get())
    await began.wait()
    second = asyncio.create_task(reading.get())
    impatient = await reading.get(0.001)
    first.cancel()
    release.set()

    assert (impatient.value, impatient.is_awaited) == (None, True)
    assert (await second).value == "value"


async def test_who_has_seen_facts_does_not_wait_for_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that takes long shows what was read at most five minutes before the last refresh was due."""
    monkeypatch.setattr("app.dashboard.readings._REFRESH_PATIENCE_SECONDS", 0.001)
    release, clock, values = asyncio.Event(), Clock(), ["old", "new"]
    release.set()

    async def read() -> str:
        await release.wait()
        return values.pop(0)

    reading = SharedReading("Profiles", read, clock, max_age_seconds=15)
    await reading.get()
    release.clear()
    clock.now += 16
    soon = await reading.get()
    clock.now += 300
    late = asyncio.create_task(reading.get())
    await asyncio.sleep(0.01)

    assert (soon.value, soon.is_awaited, late.done()) == ("old", True, False)
    release.set()
    assert (await late).value == "new"


async def test_a_patch_follows_its_profiles() -> None:
    """A patch of profiles that were since written anew would not have the need that the page shows."""
    given: list[str] = []

    class Source(FakeSource):
        async def patch(self, workload: Workload, profiles: Mapping[Resource, Manifest], /) -> PlannedPatch:
            given.append(profiles[Resource.CPU]["metadata"]["resourceVersion"])
            return await super().patch(workload, profiles)

    readings = Readings(Source(), Clock())
    for version in ("7", "7", "8"):
        await readings.patch(WEB, {Resource.CPU: {"metadata": {"resourceVersion": version}}})

    assert given == ["7", "8"]


async def test_a_curve_follows_the_containers_that_count() -> None:
    """A container that is new in the profile is in the curve too."""
    given: list[Sequence[str]] = []

    class Source(FakeSource):
        async def curves(self, containers: Mapping[Workload, Sequence[str]]) -> Mapping[Workload, Curves]:
            given.append(containers[WEB])
            return await super().curves(containers)

    readings = Readings(Source(), Clock())
    for names in (["app"], ["app"], ["app", "proxy"]):
        await readings.curves(WEB, names)

    assert given == [["app"], ["app", "proxy"]]


@pytest.mark.parametrize(("listed", "total", "said"), [(3, 3, ""), (60, 60, "50 of 60"), (3, 70, "3 of 70")])
async def test_reasons_that_are_left_out_are_counted(listed: int, total: int, said: str) -> None:
    """The page has 50 reasons at most, and the profiler's report may itself name only some workloads."""

    class Source(FakeSource):
        async def health(self) -> ClusterHealth:
            reasons = {f"shop/w{number}": "TooFewSamples" for number in range(listed)}
            return ClusterHealth(without_profile=reasons, without_profile_total=total)

    async with client_of(application(Source())) as client:
        text = Elements((await client.get(f"/{TOKEN}/")).text).text

    expected = (
        f"Why workloads have no profile (the first {said})" if said else "Why workloads have no profile"
    )
    assert expected in text.splitlines()


async def test_what_there_is_nothing_of_has_no_place() -> None:
    """No column of messages if no source has one, and no usage in the legend if none could be read."""
    source = FakeSource()
    async with client_of(application(source)) as client:
        with_both = (await client.get(f"/{TOKEN}/")).text
    fault = SourceError("Unreachable", "no Service looks like Prometheus")
    async with client_of(application(FakeSource(faults={"usage": fault}))) as client:
        without_usage = (await client.get(f"/{TOKEN}/")).text

    assert "</svg> usage</li>" in with_both
    assert "</svg> usage</li>" not in without_usage
    assert ">Since</th>" in with_both
    assert ">Message</th>" not in with_both
