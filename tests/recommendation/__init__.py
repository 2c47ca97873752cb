"""Tests of `app.recommendation`."""
