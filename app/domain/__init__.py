"""Pure data and rules: no I/O, no clock, no environment, no logger, no numpy.

Everything here can be used by the webhook, whose process must stay small.
"""
