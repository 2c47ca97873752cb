"""The body that has to give way if incomplete bodies need too much memory."""

from app.webhook.body_budget import BodyBudget, BodyLimits, IncomingBody

LIMITS = BodyLimits(total_bytes=100, large_total_bytes=75, small_bytes=20)


class Bodies:
    """A budget, and the bodies that gave way in their order."""

    def __init__(self) -> None:
        self.budget = BodyBudget(LIMITS)
        self.gave_way: list[str] = []

    def begin(self, name: str, source: str, size: int) -> tuple[IncomingBody, bool]:
        """A body with its first part, and whether it is kept."""
        body = IncomingBody(source, lambda: self.gave_way.append(name))
        return body, self.budget.append(body, b"a" * size)


def test_the_oldest_body_of_the_source_with_the_most_bytes_gives_way() -> None:
    """`a` holds 40 in two bodies, `b` 35 in one and `c` 20: with 10 more of `d` it is the first of `a`."""
    bodies = Bodies()
    for name, source, size in (("b1", "b", 35), ("a1", "a", 20), ("a2", "a", 20), ("c1", "c", 20)):
        assert bodies.begin(name, source, size)[1]
    assert bodies.gave_way == []
    assert bodies.begin("d1", "d", 10)[1]

    assert bodies.gave_way == ["a1"]
    assert bodies.budget.total_bytes == 85


def test_a_quarter_is_left_to_small_bodies() -> None:
    """Two large bodies of 38 bytes exceed 75, one gives way; a small one of 20 fits beside the other."""
    bodies = Bodies()
    bodies.begin("large1", "a", 38)
    bodies.begin("large2", "b", 38)
    assert bodies.gave_way == ["large1"]
    for number in range(3):
        assert bodies.begin(f"small{number}", "a", 20)[1]

    assert bodies.gave_way == ["large1"]
    assert bodies.budget.total_bytes == 98


def test_a_body_that_grows_counts_with_what_has_arrived() -> None:
    """15 bytes are small, 30 are large; in the end nothing is counted, however it ended."""
    bodies = Bodies()
    body, _ = bodies.begin("a1", "a", 15)
    assert bodies.budget.append(body, b"a" * 15)
    assert bodies.budget.total_bytes == 30
    assert bodies.budget.append(body, b"a" * 45)
    assert not bodies.budget.append(body, b"a")
    assert bodies.gave_way == ["a1"]
    bodies.budget.remove(body)

    assert bodies.budget.total_bytes == 0
    assert bodies.begin("a2", "a", 75)[1]


def test_parts_of_one_byte_need_no_more_memory_than_one_part() -> None:
    """They are joined at once: a list of 100 parts would hold 33 bytes beside each byte."""
    bodies = Bodies()
    body, _ = bodies.begin("a1", "a", 1)
    for _ in range(74):
        assert bodies.budget.append(body, b"a")

    assert (bytes(body.data), body.data.__sizeof__() < 200) == (b"a" * 75, True)
