"""Tests of what runs a process: listeners, health, supervision, the webhook's role and its size."""
