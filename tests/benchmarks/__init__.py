"""Tests of the arithmetic of benchmarks."""
