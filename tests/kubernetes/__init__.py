"""Tests of `app.kubernetes` against a fake API server, and (marker `cluster`) against a real one."""
