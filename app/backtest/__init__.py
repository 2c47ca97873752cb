"""Replays sizing rules on the past: what each would have published, and how that would have held.

Usage goes in as samples, scores come out as numbers: pure numpy, but for `collecting` and `recording`, which
ask a source of usage. No clock and no file.
"""
