"""Tests of `app.sources.mesh`."""
