"""What the chart renders for the combinations of values and versions that matter, so that a change shows.

The values are those of the chart's `ci/`; CRDs are left out, which have a home of their own.
"""  # noqa: INP001 - part of a program, not of a package

from objects import CHART, Manifest, as_text, key_of, rendered

# Each set of values with the versions of Kubernetes for which something differs.
COMBINATIONS = {
    "defaults": ("1.36",),
    "combined": ("1.25",),
    "cert-manager": ("1.30",),
    "everything": ("1.20", "1.25", "1.36"),
}
FIRST_WITH_ADMISSION_POLICIES = 30
ADMISSION_POLICIES = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
HEADER = "# Rendered from charts/job-profiler by `make manifests`: look at what changed, then commit it.\n"


def snapshots(helm: str) -> dict[str, str]:
    """The text of each file."""
    return {
        f"{values}-{version}.yaml": HEADER + as_text(_objects(helm, values, version))
        for values, versions in COMBINATIONS.items()
        for version in versions
    }


def _objects(helm: str, values: str, version: str) -> list[Manifest]:
    options = [f"--values={CHART / 'ci' / f'{values}-values.yaml'}", "--set=crds.install=false"]
    if int(version.split(".")[1]) >= FIRST_WITH_ADMISSION_POLICIES:
        options.append(f"--api-versions={ADMISSION_POLICIES}")
    objects = rendered(helm, f"{version}.0", options)
    return sorted(map(_brief, objects), key=lambda manifest: (manifest["kind"], key_of(manifest)))


def _brief(manifest: Manifest) -> Manifest:
    """Without the dashboard, which stands in a file of the chart as it is."""
    if manifest["metadata"]["name"].endswith("-dashboard"):
        manifest["data"] = dict.fromkeys(manifest["data"], "...")
    return manifest
