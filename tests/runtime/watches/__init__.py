"""Tests of `app.runtime.watches`."""
