"""Tests of the arithmetic: grids, day rows, needs, means. Expected numbers are worked out."""
