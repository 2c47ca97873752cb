"""Composition roots: the only place that knows every package. Objects are built here, and tasks started.

`webhook_role` and `profiler_role` name the tasks of each role, `serving` runs them until one ends or the
process is told to stop.
"""
