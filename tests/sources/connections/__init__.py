"""Tests of `app.sources.connections`."""
