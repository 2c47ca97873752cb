"""Tests of `app.decisions`."""
