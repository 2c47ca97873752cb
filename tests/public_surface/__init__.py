"""What others rely on, whatever the modules and classes of `app` are called, and what is stored in clusters.

`snapshots/` holds the public surface, one entry a line: custom resources, values of the chart, settings,
commands, keys, metrics, exit codes, reasons, log lines and documents. `python -m tests.public_surface` shows
how the tree differs, `python -m tests.public_surface --write` renews the files on purpose.

`stored/` holds what one release wrote and the next one has to read: a check-point, a history file, the status
ConfigMap and profiles. `making_stored` states how each of them is made.

`application` is the only module here that imports from `app`; `settled` is the only one that reads
attributes of what is decoded.
"""
