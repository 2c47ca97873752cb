"""What was measured: per-day histograms, coverage and edge rates of every workload.

State only, in numpy arrays; `app.recommendation` derives values from it. Pure: no I/O, no clock, no logger.
"""
