"""The demonstration: the real server with recorded usage of emojivoto, and one admission review sent to it.

Only the cluster is replaced: usage is read from a file, and profiles are kept in memory.
"""
