"""The profiler role: queries usage, derives profiles and writes those that changed.

Usage sources, the cluster and the stored profiles are reached only through the protocols in `ports`.
`attribution`, `registries`, `backfill.plan` and, in `cycle`, `plan_writes`, `plan_aging`, `plan_events`,
`signals`, `status_report`, `resolution` and `container_roles` decide; `cycle` with its `collector`,
`publisher` and `reporter`, `event_recorder`, `fault_announcer`, `checkpoints`, `backfill.job` and `vpa` act.
"""
