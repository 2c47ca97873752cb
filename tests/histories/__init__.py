"""Metric histories for tests, the sandbox and the demo.

Each history has one description, and is written as text for promtool or as a recorded history.
"""
