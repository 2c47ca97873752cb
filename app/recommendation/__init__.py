"""Recommendations: the arithmetic from the stored history to the profiles.

Policy and time are arguments; nothing is stored. Pure: no I/O, no clock, no logger.
"""
