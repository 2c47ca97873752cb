"""Tests of the checks in supply_chain/: on the real programs, with a vulnerability database of their own."""
