"""Entry point of `job-profiler` and `python -m app`."""

from app.command_line.root import main

if __name__ == "__main__":
    main()
