"""The measured history of every workload: histograms per day, coverage, pressure and edge rates.

State only, in numpy arrays; `app.recommendation` derives values from it. Pure: no I/O, no clock, no logger.
"""
