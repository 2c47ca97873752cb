"""Entry point of `job-profiler` and `python -m app`."""

import sys


def main() -> None:
    """Runs the program; Ctrl-C ends it already while its modules are imported."""
    try:
        from app.interrupts import exit_on_interrupt

        exit_on_interrupt()
    except KeyboardInterrupt:
        sys.exit(130)
    from app.command_line.root import main as run

    run()


if __name__ == "__main__":
    main()
