"""Tests of the background role: whole cycles on a scripted Prometheus, and its pure decisions."""
