"""Shows how the public surface differs from its snapshots; `--write` updates the snapshots."""

import sys

from tests.public_surface.snapshots import COLLECTORS, difference, write


def main() -> int:
    """Returns exit code 1 if there are differences that are not written."""
    is_writing = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not is_writing:
        print("usage: python -m tests.public_surface [--write]", file=sys.stderr)
        return 2
    differences = [text for text in map(difference, COLLECTORS) if text]
    for text in differences:
        print(text)
    if is_writing:
        for name in COLLECTORS:
            write(name)
    return int(bool(differences) and not is_writing)


if __name__ == "__main__":
    sys.exit(main())
