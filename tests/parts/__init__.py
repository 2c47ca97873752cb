"""The real programs that tests are run against: where each one is found, and how it gets onto the machine.

`python -m tests.parts` sets up what is missing; `locate.find` only looks and never changes anything.
"""
