"""Tests of `app.profiler.cycle`."""
