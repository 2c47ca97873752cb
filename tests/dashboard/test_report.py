"""`job-profiler report`: one file that loads nothing, with the numbers of the pages."""

import base64
import hashlib
import re
import sys
from pathlib import Path

import pytest

from app.dashboard.facts import Facts, Fault
from app.dashboard.report import WorkloadDetails, report
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.kubernetes import paths
from tests.command_line.conftest import Program, api_server, program
from tests.command_line.decided_cluster import against, serve_cluster
from tests.command_line.pasts import write_past
from tests.dashboard.elements import Elements
from tests.dashboard.shop import API, HOSTILE, PATCH, WEB, curve, facts, needs_of
from tests.decisions.manifests import Object, container, deployment, need
from tests.kubernetes.fake_api_server import FakeApiServer, listed

__all__ = ["api_server", "program"]


def of_web(*more: Object) -> str:
    curves = {resource: curve(resource) for resource in Resource}
    fault = Fault("Usage curve", "no Prometheus")
    details = {WEB: WorkloadDetails(curves, patch=PATCH), API: WorkloadDetails(curves_fault=fault)}
    return report(facts(*more), details, lambda view: f"<svg>{view.resource}</svg>")


def test_the_policy_allows_the_own_style_and_script_alone() -> None:
    """By the hashes of what is between the tags, as a browser computes them."""
    html = of_web()

    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    sources = f"style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src 'none'"
    assert [text.replace("&#39;", "'") for text in policy] == [
        f"default-src 'none'; base-uri 'none'; form-action 'none'; {sources}"
    ]


def test_nothing_is_loaded_and_every_link_is_an_anchor_of_the_file() -> None:
    """No address of another file is in it."""
    tags = Elements(of_web()).tags

    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {value for _, attributes in tags for name, value in attributes.items() if name in {"href", "src"}}
    assert links
    assert links <= {f"#{name}" for name in ids}
    assert not [name for _, attributes in tags for name in attributes if name == "style" or name[:2] == "on"]


def test_the_file_has_all_workloads_and_sections_of_those_with_details() -> None:
    """A curve for web, none for api with the reason on top, and no section for old."""
    page = Elements(of_web())

    sections = [
        attributes["id"] for tag, attributes in page.tags if attributes.get("class") == "view" and tag == "h2"
    ]
    assert sections[-2:] == ["workload-1", "workload-2"]
    assert page.text.count("No curve.") == 2
    assert page.text.count("no Prometheus") == 1
    assert [text in page.text for text in ("attic/", "+1.42", "usage fell", "kubectl patch")] == [True] * 4
    assert sum(tag == "svg" and not attributes for tag, attributes in page.tags) == 2


def test_a_section_says_what_annotations_do() -> None:
    """One line for all of them; a section without any has none."""
    rules = [{"annotation": "risk", "value": "low", "source": "Template"}]
    bounded = Workload("shop", "bounded")
    details = {bounded: WorkloadDetails({}), API: WorkloadDetails({})}
    html = report(facts(need("cpu", "bounded", "0.100", policy=rules)), details, lambda _view: "")

    assert Elements(html).text.count("Policy: low risk by risk of the Pod template.") == 1
    assert html.count("Policy: ") == 1


def test_hostile_names_are_text_in_a_report() -> None:
    """A name that ends the script, too."""
    name = f"</script>{HOSTILE}"
    page = Elements(of_web(need("cpu", name, "0.100", explanation=name)))

    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert name in page.text


def test_a_report_of_a_recorded_past(program: Program, tmp_path: Path) -> None:
    """Two workloads with curves of their samples, as real charts; its size is printed."""
    past, file = write_past(tmp_path / "past.npz", 2), tmp_path / "report.html"

    outcome = program.run("report", file, "--history", past, "--cpu-price", 20)

    assert outcome.code == 0, outcome.err
    assert re.fullmatch(r".*report\.html: 2 workloads, 2 with curves, 0\.\d MB", outcome.out.strip())
    html = file.read_text()
    assert html.count('class="chart" role="img"') == 4
    assert "past.npz" in html
    assert "A patch needs the objects of a cluster" in html


async def test_a_report_has_the_requests_of_now(
    program: Program, api_server: FakeApiServer, tmp_path: Path
) -> None:
    """In its profile web has 3 Pods of 500m, now 5 of 250m."""
    web = deployment("web", container(requests={"cpu": "250m"}), replicas=5)
    serve_cluster(api_server).on("GET", paths.deployments(None), listed(web))
    file = tmp_path / "report.html"

    outcome = await program.run_beside(*against(api_server, tmp_path, "report", file))

    assert outcome.code == 0, outcome.err
    assert "5 Pods, scaled by HPA cpu." in file.read_text()


def test_needs_without_known_requests_are_no_empty_cluster() -> None:
    """A CronJob has a need and no replicas: there are no totals, and the file says why, instead of zeros."""
    only = needs_of(need("cpu", "batch", "0.100", kind="CronJob"))

    text = Elements(report(Facts("test", needs=only), {}, lambda _: "")).text

    assert "1 workload with a profile, without known requests or replicas." in text
    assert "No namespace has workloads with known requests and replicas." in text
    assert "No profiles in these namespaces." not in text
    assert "0.00" not in text


@pytest.mark.parametrize("package", ["jinja2", "vl_convert"])
@pytest.mark.parametrize("command", [("dashboard",), ("report", "report.html")])
def test_without_the_extra_the_commands_say_how_to_install_it(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    package: str,
) -> None:
    """Exit code 2, before anything is read; a module that is None counts as missing."""
    monkeypatch.setitem(sys.modules, package, None)

    outcome = program.run(*command)

    assert outcome.code == 2
    assert "pip install 'kubernetes-job-profiler[dashboard]'" in outcome.err


def test_a_port_that_is_none_is_named(program: Program) -> None:
    """Exit code 2."""
    port = program.run("dashboard", "--port", 70000)

    assert port.code == 2
    assert "--port is 70000" in port.err
