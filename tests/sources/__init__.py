"""Tests of the sources: query texts, decoding of responses, HTTP to Prometheus, recorded histories."""
