"""Tests of `app.kubernetes`: against a fake of the wire, and (marker `cluster`) against a real API server."""
