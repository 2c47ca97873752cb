"""Tests of `app.profiler.backfill`."""
