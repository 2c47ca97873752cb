"""Tests of the sources: query texts, the reading of answers, the wire to Prometheus, recorded histories."""
