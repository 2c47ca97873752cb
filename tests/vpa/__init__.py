"""Tests of `app.vpa`."""
