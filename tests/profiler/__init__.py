"""Tests of the profiler: whole cycles on a scripted Prometheus, and its pure functions."""
