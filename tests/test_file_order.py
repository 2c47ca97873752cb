"""The longest files run first, or all in a random order that a seed reproduces."""

from tests.file_order import LONGEST, ordered

FILES = [f"test_{number}.py" for number in range(10)]


def test_unmeasured_files_run_first_then_the_longest() -> None:
    """Files without a duration come first, by name, then the one of 9 s, then the one of 0.1 s."""
    seconds = {"test_short.py": 0.1, "test_long.py": 9.0}

    order = ordered(["test_short.py", "test_new.py", "test_long.py", "test_added.py"], LONGEST, seconds)

    assert order == ["test_added.py", "test_new.py", "test_long.py", "test_short.py"]


def test_a_seed_reproduces_the_order() -> None:
    """A seed gives the same order of all ten files for any order of collection; another seed another one."""
    first, again = ordered(FILES, "17", {}), ordered(reversed(FILES), "17", {})

    assert first == again
    assert sorted(first) == FILES
    assert ordered(FILES, "18", {}) != first
