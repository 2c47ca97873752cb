"""Pasts that tests, the sandbox and the demo rest on.

Each is described once, and written as text for promtool or as a recorded history.
"""
