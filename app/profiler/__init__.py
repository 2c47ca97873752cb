"""The background role: asks the sources, folds, derives, and writes what changed.

It knows the sources, the cluster and the stored profiles only through the protocols in `ports`.
`signals`, `publication`, `aging`, `news`, `roles`, `report`, `pods`, `workloads` and `mending` are pure: they
decide, `cycle` with its `publishing`, `reporting` and `announcing`, and `backfill` act.
"""
