"""Benchmarks: measurements of the product relative to a limit or another tool in the same run."""
