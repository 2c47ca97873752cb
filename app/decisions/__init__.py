"""Decisions that follow from stored profiles: what to save, what would change, and the patch for it.

Pure: manifests and amounts in, tables of plain values out; `command_line` reads the cluster and prints.
"""
