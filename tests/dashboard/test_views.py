"""Views show the numbers of the stored objects, and compute none of their own."""

from decimal import Decimal

import numpy as np
import pytest

from app.charts.usage_chart import Span
from app.dashboard.connections import edge_rows
from app.dashboard.curves import CurvesBuilder, mean_of_pods
from app.dashboard.facts import Facts, Needs, index_edges, read_health
from app.dashboard.links import ServedLinks
from app.dashboard.namespaces import namespace_page, namespace_rows
from app.dashboard.overview import overview
from app.dashboard.report import most_to_say
from app.dashboard.rows import NO_AMOUNT, Bar, bar, change, workload_rows
from app.dashboard.usage_view import spans, usage_view
from app.dashboard.workload import find_workload, planned_patch, workload_page
from app.decisions.plan import AmountChange, ContainerPlan, WorkloadPlan
from app.decisions.savings import Prices
from app.decisions.templates import WorkloadObject
from app.domain.profiles import Pressure, Resource
from app.domain.quantities import parse_time
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples, PodContainer, PressureSamples, StepRange
from tests.dashboard.shop import API, OLD, WEB, curve, edges, facts, needs
from tests.decisions.manifests import deployment, edge, need

LINKS = ServedLinks("/token/", {WEB, API, OLD})


def stored(one: Facts) -> Needs:
    assert one.needs
    return one.needs


def test_a_row_has_the_amounts_of_the_profiles_and_of_the_savings() -> None:
    """web: 3 Pods of 500m with a need of 26m, so 3 x 0.474 = 1.422 cores too many; 256Mi of 347Mi."""
    _, api, web = workload_rows(facts(), LINKS)

    assert (web.name, web.pods.text, web.scaled_by) == ("web", "3", "HPA cpu")
    cells = [cell.text for cell in (web.cpu.request, web.cpu.need, web.cpu.usage, web.cpu.difference)]
    assert cells == ["500m", "26m", "13m", "+1.42"]
    assert (web.memory.request.text, web.memory.need.text, web.memory.difference.text) == (
        "256Mi",
        "347Mi",
        "-0.27",
    )
    assert (web.cpu.state, web.memory.state, web.states) == ("over", "under", "over under")
    assert web.risk.text == "lacks 26%"  # 91 of 347
    assert api.cpu.usage is NO_AMOUNT


def test_a_bar_has_one_scale() -> None:
    """The longest of request, need and usage is 100; without any, there is no bar."""
    assert bar(Decimal("0.5"), Decimal("0.026"), 0.25) == Bar(100, 5, 50)
    assert bar(None, Decimal(2)) == Bar(0, 100)
    assert bar(None, Decimal(0)) is None


def test_a_small_difference_is_not_shown_as_nothing() -> None:
    """Two decimals, and a third below 0.01."""
    amounts = ("1.5", "0.003", "-0.004", "0")

    assert [change(Resource.CPU, Decimal(one)).text for one in amounts] == [
        "+1.50",
        "+0.003",
        "-0.004",
        "0.00",
    ]


def test_the_overview_ranks_waste_and_risk() -> None:
    """Totals are those of `savings`: 1.42 of 2.60 cores; api lacks a third of its CPU, web 26 % of memory."""
    page = overview(facts(), LINKS)

    cpu, memory = page.cards
    assert (cpu.over, cpu.requested, cpu.over_share, cpu.under) == ("1.42", "2.60", "55%", "0.50")
    assert (memory.over, memory.unit, memory.requested_length) == ("3.00", "GiB", 100)
    assert [[row.name for row in ranked.rows] for ranked in page.waste] == [["web"], ["api"]]
    assert [row.name for row in page.risk.rows] == ["api", "web"]
    assert page.money is None
    priced = Facts("test", needs=needs(prices=Prices(Decimal(20), Decimal(3))))
    assert overview(priced, LINKS).money == ("37.44", "10.80")


def test_requests_that_are_not_known_are_no_zeros() -> None:
    """A workload without a template is in no total: there is no card that says 0."""
    only = need("cpu", "batch", "0.100", kind="CronJob")
    page = overview(Facts("test", needs=needs(only)), LINKS)
    known = overview(facts(), LINKS)

    assert (page.workloads, page.without_requests) == (4, 1)
    assert [card.requested for card in page.cards] == [card.requested for card in known.cards]


def test_the_view_of_a_workload() -> None:
    """Changes in words, callers and callees apart, and its patch in kubectl's words."""
    one = facts()
    page = workload_page(one, stored(one), LINKS, WEB)

    newest = page.changes[0]
    assert (newest.old, newest.new, newest.words) == ("50m", "26m", "usage fell")
    assert [row.end.name for row in page.callers] == ["bot"]
    (api,) = page.callees
    assert (api.end.name, api.messages.text, api.sent.text, api.received.text) == (
        "api",
        "60.00",
        "5.1kB",
        "900B",
    )
    assert api.end.href == "/token/workload?namespace=shop&name=api&kind=Deployment"
    assert page.callers[0].end.href == ""  # bot has no profile
    assert [section.title for section in page.sections] == ["CPU", "Memory"]


def test_the_view_says_what_annotations_do() -> None:
    """In the words of `explain`; other workloads have no such line."""
    rules = [{"annotation": "max-cpu", "value": "100m", "source": "Namespace"}]
    of_job = facts(need("cpu", "job", "0.200", policy=rules))

    assert workload_page(of_job, stored(of_job), LINKS, Workload("shop", "job")).policy == (
        "app, CPU: at most 100m by max-cpu of namespace shop (the need is 200m)",
    )
    assert workload_page(of_job, stored(of_job), LINKS, WEB).policy == ()


def test_what_the_status_says_of_a_need() -> None:
    """Risk, slots, containers at each level, pressure in words, and the explanation as it is stored."""
    container = {"name": "app", "value": "0.8", "limit": "2", "values": {"low": "1.0", "high": "0.5"}}
    more = need(
        "cpu",
        "db",
        "0.800",
        containers=(container,),
        risk={"level": "normal", "timeAbove": "0.014", "timeAboveAtMost": "0.028"},
        slots=[
            {"start": "00:00", "end": "12:00", "value": "0.400"},
            {"start": "12:00", "end": "24:00", "value": "0.800"},
        ],
        signals=[{"container": "app", "reason": "CPUThrottling", "lastSeen": "today", "raisedBy": "0.10"}],
        explanation="From 2,016 samples.",
        coverage="0.99",
    )
    one = facts(more)
    db = Workload("shop", "db")
    (section,) = workload_page(one, stored(one), LINKS, db).sections

    assert section.explanation == "From 2,016 samples."
    assert dict(section.facts)["Expected time above the value"] == "1.4 %"
    assert dict(section.facts)["Coverage"] == "99%"
    assert [(slot.hours, slot.length) for slot in section.slots] == [
        ("00:00 to 12:00", 50),
        ("12:00 to 24:00", 100),
    ]
    (app,) = section.containers
    assert (app.need.text, app.limit.text, app.low.text, app.high.text) == ("800m", "2000m", "1000m", "500m")
    assert section.signals == ["CPU throttling of app, last seen today, raises its value by 10%."]
    assert section.limit.text == "2000m"


def test_a_status_that_people_have_edited_is_shown_as_far_as_it_can_be_read() -> None:
    """Fields of other types count as absent."""
    broken = need("cpu", "odd", "0.100", risk="high", slots={"a": 1}, signals=[1], window=[], history="x")
    one = facts(broken)
    (section,) = workload_page(one, stored(one), LINKS, Workload("shop", "odd")).sections

    assert (section.slots, section.signals) == ([], [])


def test_a_workload_is_found_by_its_name() -> None:
    """The kind may be left out, unless there are several of the name."""
    known = needs(need("cpu", "web", "1.000", kind="StatefulSet"))

    assert find_workload(known, "shop", "api", "") == API
    assert find_workload(known, "shop", "web", "") is None
    assert find_workload(known, "shop", "web", "Deployment") == WEB
    assert find_workload(known, "shop", "nothing", "") is None


def test_a_patch_says_what_stays_and_why() -> None:
    """The request of memory changes; a name that a shell would read as more words is quoted."""
    changes = {
        Resource.CPU: AmountChange(Decimal(1), Decimal(1), reason="a HorizontalPodAutoscaler scales on it"),
        Resource.MEMORY: AmountChange(Decimal(1024**3), Decimal(512 * 1024**2)),
    }
    hostile = Workload("shop", "web; rm -rf ~")
    plan = WorkloadPlan(hostile, 1, [ContainerPlan("app", "containers", 0, changes)], added=["proxy"])

    patch = planned_patch(plan, WorkloadObject(hostile, deployment("web")))

    assert "memory: 512Mi" in patch.text
    assert patch.command == "kubectl patch deployment 'web; rm -rf ~' -n shop --patch-file patch.yaml"
    assert patch.reasons == [
        "app keeps its CPU request: a HorizontalPodAutoscaler scales on it.",
        "proxy is left out: it is not in the Pod template, but added to Pods later.",
    ]
    nothing = planned_patch(WorkloadPlan(WEB, 1, reason="it has no profile"), WorkloadObject(WEB, {}))
    assert (nothing.text, nothing.reasons) == ("", ["Nothing changes: it has no profile."])


def test_edges_are_listed_with_the_largest_first() -> None:
    """From web to api go 60 messages per minute, from bot to web 20; bytes not measured are a dash."""
    rows = edge_rows(edges(edge("web", "db", "0.00", requestBytesPerSecond="0")).edges, LINKS)

    assert [(row.source.name, row.destination.name) for row in rows] == [
        ("web", "api"),
        ("bot", "web"),
        ("web", "db"),
    ]
    assert [row.request_bytes.text for row in rows] == ["5.1kB", NO_AMOUNT.text, "0B"]
    elsewhere = index_edges([edge("web", "api", "1.00")], ["attic"])
    assert elsewhere.edges == []


def test_a_namespace_has_its_totals_its_workloads_and_its_edges() -> None:
    """In attic is one workload, and no edge."""
    names = [row.name for row in namespace_rows(facts(), LINKS)]
    shop, attic, none = (namespace_page(facts(), LINKS, name) for name in ("shop", "attic", "nowhere"))

    assert names == ["attic", "shop"]
    assert ([row.name for row in shop.workloads], shop.edges_total) == (["api", "web"], 2)
    assert shop.row
    assert shop.row.cards[0].over == "1.42"
    assert (len(attic.workloads), attic.edges) == (1, [])
    assert (none.row, none.workloads) == (None, [])


def test_health_is_that_of_the_report() -> None:
    """A signal that fails is a fault; parts of other types are left out."""
    report = {
        "signals": [{"signal": "cpu", "state": "Failing", "since": "now", "message": "refused"}, 7],
        "workloadsWithoutProfile": {"shop/new": "TooFewSamples", "shop/bad": 1},
        "workloadsWithoutProfileTotal": 3,
    }

    health = read_health(report, "a leader", "reachable")

    assert [(signal.name, signal.is_fault) for signal in health.signals] == [("cpu", True), ("", False)]
    assert (health.without_profile, health.without_profile_total) == ({"shop/new": "TooFewSamples"}, 3)


def test_most_to_say_takes_turns() -> None:
    """The largest waste of CPU (web), of memory (api), the largest risk (api again, then web), then old."""
    assert most_to_say(needs()) == [WEB, API, OLD]
    assert most_to_say(needs(), 1) == [WEB]


def samples(resource: Resource, first: int, rows: dict[tuple[str, str], list[float]]) -> ContainerSamples:
    names = tuple(PodContainer("shop", pod, container) for pod, container in rows)
    values = np.array(list(rows.values()))
    return ContainerSamples(resource, StepRange(first, first + values.shape[1] - 1), names, values)


def of_web(_: str, pod: str) -> Workload | None:
    return WEB if pod.startswith("web") else None


def test_a_curve_has_the_samples_of_each_pod() -> None:
    """Containers of a Pod add up (0.1 + 0.2), a missing sample is none, and others do not count.

    So in step 11 the Pods have 0.3 and 0.5, and in step 10 one has 0.4.
    """
    builder = CurvesBuilder({WEB: ["app", "proxy"]}, StepRange(10, 12), of_web)
    rows = {
        ("web-1", "app"): [0.1, np.nan],
        ("web-1", "proxy"): [0.2, np.nan],
        ("web-2", "app"): [0.5, np.nan],
        ("web-2", "debug"): [9.0, 9.0],
        ("api-1", "app"): [7.0, 7.0],
    }
    builder.add(samples(Resource.CPU, 11, rows))
    builder.add(samples(Resource.CPU, 10, {("web-1", "app"): [0.4]}))
    containers = (PodContainer("shop", "web-1", "app"),)
    one = np.array([0])
    builder.add_pressure(
        PressureSamples(
            Pressure.CPU_THROTTLING, StepRange(10, 12), containers, one, np.array([11]), np.ones(1)
        )
    )

    curves = builder.build()[WEB]
    found = curves[Resource.CPU]

    seen = found.samples
    assert (seen.times.tolist(), seen.counts.tolist()) == ([10 * 300.0, 11 * 300.0], [1, 2])
    for amounts, expected in ((seen.lowest, [0.4, 0.3]), (seen.sums, [0.4, 0.8]), (seen.highest, [0.4, 0.5])):
        assert amounts.tolist() == pytest.approx(expected)
    assert found.pressure == {Pressure.CPU_THROTTLING: [11]}
    assert len(curves[Resource.MEMORY].samples.times) == 0


def test_the_size_of_a_curve_does_not_depend_on_the_number_of_pods() -> None:
    """14 days are 4,032 steps with five numbers of 8 bytes, 161 kB, also of 100 Pods, which have 3.2 MB."""
    days = StepRange(1, 14 * 288)
    builder = CurvesBuilder({WEB: ()}, days, of_web)
    for day in days.by_day():
        rows = {(f"web-{pod}", "app"): [0.001 * pod] * len(day) for pod in range(100)}
        builder.add(samples(Resource.CPU, day.first, rows))

    found = builder.build()[WEB][Resource.CPU].samples

    parts = (found.times, found.lowest, found.sums, found.highest, found.counts)
    assert sum(part.nbytes for part in parts) == 5 * 8 * 4032
    assert (found.lowest[0], found.highest[-1], found.counts[0]) == (0.0, 0.099, 100)


def test_usage_is_the_mean_of_the_pods() -> None:
    """web-1 uses 0.3 and 0.5, web-2 uses 0.2: the mean of 0.4 and 0.2."""
    parts = [
        samples(Resource.CPU, 1, {("web-1", "app"): [0.3], ("web-2", "app"): [np.nan]}),
        samples(
            Resource.CPU, 2, {("web-1", "app"): [0.4], ("web-1", "proxy"): [0.1], ("web-2", "app"): [0.2]}
        ),
    ]

    (usage,) = mean_of_pods(parts, of_web).values()

    assert round(usage[Resource.CPU], 6) == 0.3


def test_a_chart_has_the_value_of_each_time() -> None:
    """A need of 40m, then 50m from 27 February on, and 26m since 1 March; the request is 500m, no limit."""
    view = usage_view(curve(Resource.CPU), needs(), WEB)

    moments = [parse_time("2026-02-27T12:00:00Z"), parse_time("2026-03-01T12:00:00Z")]
    assert [change.amount for change in view.value] == [0.04, 0.05, 0.026]
    assert [change.time for change in view.value[1:]] == [one.timestamp() for one in moments if one]
    assert ([change.amount for change in view.request], view.limit) == ([0.5], [])
    assert view.pressure == {Pressure.CPU_THROTTLING: [Span(0.0, 300.0)]}
    assert spans([1, 2, 4]) == [Span(0.0, 600.0), Span(900.0, 1200.0)]
    assert [change.amount for change in usage_view(curve(Resource.CPU), needs(), OLD).value] == [0.1]
    assert usage_view(curve(Resource.MEMORY), needs(), OLD).value == []
