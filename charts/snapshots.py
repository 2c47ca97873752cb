"""Snapshots of the rendered chart, which show every change, for several values and Kubernetes versions.

The values are those in the chart's `ci/`. CRDs are left out: `crds/` has them.
"""

from objects import CHART, Manifest, as_text, key_of, render

# Each set of values, with the versions of Kubernetes that render differently.
COMBINATIONS = {
    "defaults": ("1.36",),
    "combined": ("1.25",),
    "cert-manager": ("1.30",),
    "everything": ("1.20", "1.25", "1.36"),
}
FIRST_WITH_ADMISSION_POLICIES = 30
ADMISSION_POLICIES = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
HEADER = "# Rendered from charts/job-profiler by `make manifests`: check the changes, then commit them.\n"


def snapshots(helm: str) -> dict[str, str]:
    """The text of each snapshot, by file name."""
    return {
        f"{values}-{version}.yaml": HEADER + as_text(_objects(helm, values, version))
        for values, versions in COMBINATIONS.items()
        for version in versions
    }


def _objects(helm: str, values: str, version: str) -> list[Manifest]:
    options = [f"--values={CHART / 'ci' / f'{values}-values.yaml'}", "--set=crds.install=false"]
    if int(version.split(".")[1]) >= FIRST_WITH_ADMISSION_POLICIES:
        options.append(f"--api-versions={ADMISSION_POLICIES}")
    objects = render(helm, f"{version}.0", options)
    return sorted(map(_brief, objects), key=lambda manifest: (manifest["kind"], key_of(manifest)))


def _brief(manifest: Manifest) -> Manifest:
    """The manifest without the dashboard's JSON, which is a file of the chart."""
    if manifest["metadata"]["name"].endswith("-dashboard"):
        manifest["data"] = dict.fromkeys(manifest["data"], "...")
    return manifest
