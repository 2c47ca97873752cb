"""Accuracy of all policies on sets of recorded usage, beside other tools' rules and the project's limits."""
