"""The public surface of `app`, whatever its modules are called, and the formats stored in clusters.

`snapshots/` holds the public surface, one entry per line: custom resources, chart values, settings, commands,
keys, metrics, exit codes, reasons, log lines and documents. `python -m tests.public_surface` shows how the
source tree differs, `python -m tests.public_surface --write` updates the files.

`stored/` holds objects of an older release that the current one must read: a check-point, a history file, the
status ConfigMap and profiles. `making_stored` states how they were made.

Only `application` imports from `app`, and only `settled` reads attributes of decoded objects.
"""
