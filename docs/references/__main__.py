"""`make references` writes the pages that differ; with `--check` they are only named, with exit code 1."""

import sys

from docs.references.pages import differing, path_of, text_of


def main() -> int:
    """Renews or compares all pages; returns the exit code."""
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        print("usage: python -m docs.references [--check]", file=sys.stderr)
        return 2
    names = differing()
    for name in names:
        if not is_check:
            path_of(name).write_text(text_of(name))
        print(f"{path_of(name)} {'differs: run `make references`' if is_check else 'written'}")
    return int(bool(names) and is_check)


if __name__ == "__main__":
    sys.exit(main())
