"""Tests of the replay on histories whose numbers are worked out by hand."""
