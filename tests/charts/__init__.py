"""Tests of the charts: specifications, colours, and what is drawn of them."""
