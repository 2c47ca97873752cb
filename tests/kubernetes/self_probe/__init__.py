"""Tests of `app.kubernetes.self_probe`."""
