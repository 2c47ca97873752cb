"""Tests of `app.history.checkpoint`."""
