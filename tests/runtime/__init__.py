"""Tests of the process roles: listeners, health, supervision, the webhook role and its size."""
