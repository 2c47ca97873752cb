"""The snapshot files: collectors, format and differences."""

from collections.abc import Callable, Iterable, Mapping
from difflib import unified_diff
from pathlib import Path

from tests.public_surface import commands, manifests_of_chart, metrics, source_literals

SNAPSHOTS = Path(__file__).parent / "snapshots"
COLLECTORS: Mapping[str, Callable[[], Iterable[str]]] = {
    "chart-keys": manifests_of_chart.chart_keys,
    "chart-schema": manifests_of_chart.chart_schema,
    "chart-values": manifests_of_chart.chart_values,
    "command-options": commands.options,
    "custom-resources": manifests_of_chart.custom_resources,
    "documents": source_literals.documents,
    "enumerations": source_literals.enumerations,
    "exit-codes": commands.exit_codes,
    "json-outputs": commands.json_outputs,
    "keys-and-names": source_literals.keys_and_names,
    "label-values": source_literals.label_values,
    "log-lines": source_literals.log_lines,
    "metrics": metrics.metrics,
    "settings": commands.settings,
    "snake-case-words": source_literals.snake_case_words,
    "words": source_literals.words,
}


def path_of(name: str) -> Path:
    """The file of a snapshot."""
    return SNAPSHOTS / f"{name}.txt"


def collected(name: str) -> list[str]:
    """The current entries of the source tree, sorted, without duplicates."""
    return sorted(set(COLLECTORS[name]()))


def difference(name: str) -> str:
    """The entries that the tree lost (-) and gained (+) since the file was written; empty if none."""
    path = path_of(name)
    stored = path.read_text().splitlines() if path.exists() else []
    return "\n".join(unified_diff(stored, collected(name), path.name, "the tree", lineterm="", n=0))


def write(name: str) -> None:
    """Updates the file."""
    SNAPSHOTS.mkdir(exist_ok=True)
    path_of(name).write_text("".join(f"{line}\n" for line in collected(name)))
