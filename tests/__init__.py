"""Tests by subject; `parts` locates the external programs, and `cluster` runs them."""
