"""The progress of one cycle's queries, and their cost, as a bar on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.profiler.cycle import query_context
from app.sources.query_observer import QueryCosts


@contextmanager
def query_bar(traffic: QueryCosts) -> Iterator[query_context.Progress]:
    """Shows the bar until the context ends; what it yields takes the done and the total number of steps."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[cost]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("querying", total=None, cost="")
        yield lambda done, total: bar.update(task, completed=done, total=total, cost=_cost(traffic))


def _cost(traffic: QueryCosts) -> str:
    """The cost of the Prometheus queries so far; empty without queries."""
    queries = traffic.queries.total()
    if not queries:
        return ""
    return (
        f"{queries} queries, {traffic.samples.total() / queries:,.0f} samples each,"
        f" {traffic.received_bytes.total() / 1e6:.1f} MB,"
        f" {traffic.retries.total()} retries, {traffic.splits.total()} splits"
    )
