"""Tests of `app.diagnosis`, and of what `job-profiler doctor` finds in real histories."""
