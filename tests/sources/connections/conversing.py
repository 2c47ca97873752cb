"""A conversation of queries and results with a mesh, without a server."""

from collections.abc import Callable

from app.history.samples import ConnectionSamples, StepRange
from app.sources.connections.conversation import ConnectionProvider, QueryBatch
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.wire import STEPS

Answer = Callable[[QueryBatch], list[SeriesMatrix]]


def converse(
    mesh: ConnectionProvider,
    answer: Answer,
    scope: Scope,
    *,
    steps: StepRange = STEPS,
    shard: Shard | None = None,
) -> tuple[list[QueryBatch], ConnectionSamples]:
    """All batches of queries, and the resulting samples."""
    conversation = mesh.conversation(scope, steps, shard or Shard())
    sent: list[QueryBatch] = []
    batches = next(conversation)
    while True:
        sent += batches
        answers = [matrix for batch in batches for matrix in answer(batch)]
        try:
            batches = conversation.send(answers)
        except StopIteration as end:
            samples: ConnectionSamples = end.value
            return sent, samples
