"""Tests of the replay on usage with expected numbers that are computed by hand."""
