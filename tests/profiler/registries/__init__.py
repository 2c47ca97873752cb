"""Tests of `app.profiler.registries`."""
