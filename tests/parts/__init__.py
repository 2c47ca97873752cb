"""The external programs that tests run: where they are found, and how they are installed.

`python -m tests.parts` installs what is missing; `locate.find` only looks and never changes anything.
"""
