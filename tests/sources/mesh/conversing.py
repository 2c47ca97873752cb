"""A conversation with a mesh, whose questions are answered without a server."""

from collections.abc import Callable

from app.history.samples import ConnectionSamples, StepRange
from app.sources.mesh.conversation import Mesh, QueryBatch
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.wire import STEPS

Answer = Callable[[QueryBatch], list[SeriesMatrix]]


def converse(
    mesh: Mesh, answer: Answer, scope: Scope, *, steps: StepRange = STEPS, shard: Shard | None = None
) -> tuple[list[QueryBatch], ConnectionSamples]:
    """All questions that were asked, and what was made of the answers."""
    conversation = mesh.conversation(scope, steps, shard or Shard())
    asked: list[QueryBatch] = []
    questions = next(conversation)
    while True:
        asked += questions
        answers = [matrix for question in questions for matrix in answer(question)]
        try:
            questions = conversation.send(answers)
        except StopIteration as end:
            samples: ConnectionSamples = end.value
            return asked, samples
