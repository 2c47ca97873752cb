"""Tests of the pages of `job-profiler dashboard` and `job-profiler report`."""
