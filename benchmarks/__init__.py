"""Measurements of the product against a named limit or peer, as ratios within one run."""
