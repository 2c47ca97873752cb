"""Pure data and rules: no I/O, no clock, no environment, no logger, no numpy.

The webhook imports this package, and the webhook's process must stay small.
"""
