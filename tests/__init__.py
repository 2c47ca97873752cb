"""Tests of the product, by subject; `parts` finds the real programs that they need, `cluster` runs them."""
