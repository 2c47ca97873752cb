"""How a value is chosen: the arithmetic from stored days to a profile.

Policy and time are arguments; nothing here is stored. Pure: no I/O, no clock, no logger.
"""
