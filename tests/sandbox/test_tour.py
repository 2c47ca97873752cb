"""The texts of the sandbox: five stops, at most 80 columns wide."""

from pathlib import Path

from tests.sandbox.tour import TOUR, WIDTH, addresses, tour

URLS = {"Prometheus": "http://127.0.0.1:29999", "webhook": "https://127.0.0.1:29999/mutate"}


def test_the_tour_fits_80_columns() -> None:
    """Five questions with their commands, and the addresses, have no line above 80 columns."""
    text = addresses("1.36.2", URLS, Path("/tmp/job-profiler-sandbox-abcdefgh/activate")) + tour()

    assert len(TOUR) == 5
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []


def test_the_tour_shows_what_it_runs() -> None:
    """Each command is printed as it is, indented by three columns."""
    lines = tour().splitlines()

    assert all(
        f"   {line}" in lines for stop in TOUR for command in stop.commands for line in command.splitlines()
    )
