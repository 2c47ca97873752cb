"""Composition roots: build the objects of all packages and start the tasks.

`webhook_role` and `profiler_role` define the tasks of each role; `serving` runs them until one terminates or
the process gets a signal to stop.
"""
