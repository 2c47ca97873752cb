"""`job-profiler` and `python -m app`: hands over to the command line."""

from app.command_line.root import main

if __name__ == "__main__":
    main()
