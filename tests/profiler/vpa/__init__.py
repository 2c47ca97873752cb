"""Tests of `app.profiler.vpa`."""
