"""Tests of what a person types, and of what is then said and returned."""
