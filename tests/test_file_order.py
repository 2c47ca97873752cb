"""The longest files run first, or all in a random order that can be had again."""

from tests.file_order import LONGEST, ordered

FILES = [f"test_{number}.py" for number in range(10)]


def test_the_longest_runs_first_and_one_that_nobody_measured_before_it() -> None:
    """Of 9 s, 0.1 s and unknown: the unknown one, then the longer one; two unknown ones by their names."""
    seconds = {"test_short.py": 0.1, "test_long.py": 9.0}

    order = ordered(["test_short.py", "test_new.py", "test_long.py", "test_added.py"], LONGEST, seconds)

    assert order == ["test_added.py", "test_new.py", "test_long.py", "test_short.py"]


def test_a_seed_gives_the_same_order_again_and_another_one_another() -> None:
    """Each is an order of all ten files, whatever order they are collected in."""
    first, again = ordered(FILES, "17", {}), ordered(reversed(FILES), "17", {})

    assert first == again
    assert sorted(first) == FILES
    assert ordered(FILES, "18", {}) != first
