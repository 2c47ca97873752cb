"""Tests of the admission role: a review in, a patch out, whatever comes over the wire."""
