"""Renews generated files: the chart's CRDs from `crds/`; from the chart the manifests of `webhook-config/`
(for the oldest supported Kubernetes, with `policies/` for newer ones) and the snapshots of the tests; the
table of values in its README; and the dashboard for workloads.

`python charts/render.py` writes the files that differ; with `--check` it only names them, with exit code 1.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from objects import CHART, NAMESPACE, REPOSITORY, Manifest, RenderError, as_text, key_of, render
from snapshots import ADMISSION_POLICIES, FIRST_WITH_ADMISSION_POLICIES, snapshots
from values_table import readme
from workloads_dashboard import workloads_dashboard

OLDEST_KUBERNETES = "1.20.0"
IMAGE = "job-profiler"
# Kinds without an API version that all Kubernetes versions from the oldest on serve.
NOT_FOR_ALL_VERSIONS = {"PodDisruptionBudget"}
HELM_ONLY = {"app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy"}

# The kinds of each file. `kubectl apply -f` reads files by name: prerequisites come first.
FILES = {
    "00-namespace.yaml": ("Namespace",),
    "10-crds.yaml": ("CustomResourceDefinition",),
    "20-rbac.yaml": ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "30-state.yaml": ("ConfigMap", "Lease", "Secret"),
    "40-services.yaml": ("Service",),
    "50-deployments.yaml": ("Deployment",),
    "60-webhook.yaml": ("MutatingWebhookConfiguration",),
}
# Clusters that don't serve these kinds refuse them: `kubectl apply -f` does not read the subdirectory.
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
HEADER = "# Rendered from charts/job-profiler by `make manifests`: edit the chart.\n"
# Without Helm nobody knows which namespaces exist, and a Role in one that does not would be refused.
PROMETHEUS = "http://prometheus.monitoring:9090"
IMAGE_NOTE = (
    "# {image} is a placeholder: replace it with the image that you built and pushed.\n"
    f"# So is PROMETHEUS_URL {PROMETHEUS}: replace it with the address of your Prometheus.\n"
)


def main() -> int:
    """Renews all files, or checks them; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Renews the chart's CRDs, table of values and dashboard, plain manifests and snapshots."
    )
    parser.add_argument("--helm", default="helm", metavar="PATH", help="Helm 3 or 4 (default: helm on PATH)")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that differ")
    arguments = parser.parse_args()
    try:
        drifted = renew_all(arguments.helm, check=arguments.check)
    except (RenderError, OSError) as error:
        sys.stderr.write(f"charts/render.py: {error}\n")
        return 1
    outcome = "differs: run `make manifests`" if arguments.check else "written"
    sys.stdout.writelines(f"{path.relative_to(REPOSITORY)} {outcome}\n" for path in drifted)
    return 1 if drifted and arguments.check else 0


def renew_all(helm: str, *, check: bool) -> list[Path]:
    """The files that differ from their source; without *check* they are written."""
    # The chart's CRDs come first, since the manifests contain them.
    drifted = renew(CHART / "files" / "crds", crds(), check=check)
    drifted += renew(REPOSITORY / "webhook-config", manifests(helm), check=check)
    drifted += renew(REPOSITORY / "webhook-config" / "policies", policies(helm), check=check)
    drifted += renew(REPOSITORY / "tests" / "chart" / "snapshots", snapshots(helm), check=check)
    for name, text in (
        ("README.md", readme()),
        ("files/workloads-dashboard.json", workloads_dashboard()),
    ):
        if (file := CHART / name).exists() and file.read_text() == text:
            continue
        drifted.append(file)
        if not check:
            file.write_text(text)
    return drifted


def renew(directory: Path, contents: Mapping[str, str], *, check: bool) -> list[Path]:
    """The YAML files that differ from *contents*; without *check* they are written, and others removed."""
    stored = {path.name: path.read_text() for path in directory.glob("*.yaml")}
    drifted = sorted(name for name in {*stored, *contents} if stored.get(name) != contents.get(name))
    if not check:
        directory.mkdir(parents=True, exist_ok=True)
        for name in drifted:
            if name in contents:
                (directory / name).write_text(contents[name])
            else:
                (directory / name).unlink()
    return [directory / name for name in drifted]


def crds() -> dict[str, str]:
    """The CRDs of the chart, by file name: unchanged copies."""
    return {path.name: path.read_text() for path in (REPOSITORY / "crds").glob("*.yaml")}


def manifests(helm: str) -> dict[str, str]:
    """The text of each file of plain manifests, by file name."""
    options = [f"--set=image.repository={IMAGE}", f"--set=prometheus.url={PROMETHEUS}"]
    release = render(helm, OLDEST_KUBERNETES, options)
    objects = [_namespace(), *(_plain(manifest) for manifest in release if _suits_everywhere(manifest))]
    file_of = {kind: file for file, kinds in FILES.items() for kind in kinds}
    if unassigned := {manifest["kind"] for manifest in objects} - file_of.keys():
        raise RenderError(f"no file for {', '.join(sorted(unassigned))}: add one to FILES")
    return {
        file: _text([manifest for manifest in objects if file_of[manifest["kind"]] == file]) for file in FILES
    }


def policies(helm: str) -> dict[str, str]:
    """The text of the admission policies, by file name."""
    options = [f"--set=image.repository={IMAGE}", f"--api-versions={ADMISSION_POLICIES}"]
    release = render(helm, f"1.{FIRST_WITH_ADMISSION_POLICIES}.0", options)
    objects = [_plain(manifest) for manifest in release if manifest["kind"] in POLICIES]
    return {"admission-policies.yaml": _text(objects)}


def _namespace() -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _suits_everywhere(manifest: Manifest) -> bool:
    """False for kinds that some clusters don't serve, and for the Pod of `helm test`."""
    is_hook = "helm.sh/hook" in manifest["metadata"].get("annotations", {})
    return not is_hook and manifest["kind"] not in NOT_FOR_ALL_VERSIONS


def _plain(manifest: Manifest) -> Manifest:
    """The manifest without the labels and annotations that only Helm uses."""
    metadata = manifest["metadata"]
    for field in ("labels", "annotations"):
        kept = {key: value for key, value in metadata.pop(field, {}).items() if key not in HELM_ONLY}
        if kept:
            metadata[field] = kept
    return manifest


def _text(objects: list[Manifest]) -> str:
    """YAML in an order that does not depend on Helm's version."""
    kinds = [kind for group in (*FILES.values(), POLICIES) for kind in group]
    objects = sorted(objects, key=lambda manifest: (kinds.index(manifest["kind"]), key_of(manifest)))
    deployed = next((manifest for manifest in objects if manifest["kind"] == "Deployment"), None)
    header = HEADER
    if deployed:
        header += IMAGE_NOTE.format(image=deployed["spec"]["template"]["spec"]["containers"][0]["image"])
    return header + as_text(objects)


if __name__ == "__main__":
    sys.exit(main())
