"""The page of the chart's values: the table in the chart's README, which `make manifests` writes."""

from pathlib import Path

_README = Path(__file__).parents[2] / "charts" / "job-profiler" / "README.md"
_BEGIN, _END = "<!-- values: written by `make manifests` -->", "<!-- end of the values -->"
_INTRODUCTION = """\
# Values of the chart

The defaults are those of `charts/job-profiler/values.yaml`. Durations are in seconds if the name ends with
`Seconds`. `helm install` refuses a value that is not in the schema, and a name that is not in this table.

"""


def page() -> str:
    """The text of the page."""
    _, _, rest = _README.read_text().partition(_BEGIN)
    rows, _, _ = rest.partition(_END)
    return _INTRODUCTION + rows.strip()
