"""Replay of sizing policies on past usage, and their scores.

The input is samples, the output is numbers. Only `collecting` and `recording` do I/O: they read from a source
of usage. No module reads the clock or a file.
"""
