"""Tests of the sources: query texts, the decoding of responses, HTTP to Prometheus, recorded histories."""
