"""Pasts that tests, the sandbox and the demo rest on: described once, written for promtool or as a recorded history."""
