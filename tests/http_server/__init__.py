"""Tests of `app.http_server`."""
