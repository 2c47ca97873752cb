"""One profiling cycle: collect samples, derive profiles, write what changed, report.

Decisions are pure (`plan_writes`, `plan_aging`, `plan_events`, `status_report`); `publisher`, `reporter` and
the profiler's `event_recorder` and `fault_announcer` carry them out.
"""
