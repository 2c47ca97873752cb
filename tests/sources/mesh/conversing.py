"""A conversation with a mesh, whose questions are answered without a server."""

from collections.abc import Callable

from app.history.samples import ConnectionSamples, StepRange
from app.sources.mesh import Mesh
from app.sources.mesh.conversation import Question
from app.sources.queries import Scope, Shard
from app.sources.query_result import Matrix
from tests.sources.wire import STEPS

Answer = Callable[[Question], list[Matrix]]


def converse(
    mesh: Mesh, answer: Answer, scope: Scope, *, steps: StepRange = STEPS, shard: Shard | None = None
) -> tuple[list[Question], ConnectionSamples]:
    """All questions that were asked, and what was made of the answers."""
    conversation = mesh.conversation(scope, steps, shard or Shard())
    asked: list[Question] = []
    questions = next(conversation)
    while True:
        asked += questions
        answers = [matrix for question in questions for matrix in answer(question)]
        try:
            questions = conversation.send(answers)
        except StopIteration as end:
            samples: ConnectionSamples = end.value
            return asked, samples
