"""The past of emojivoto, and its two forms; `description` says what happened and which profiles follow.

python -m tests.histories.emojivoto --openmetrics PATH --days 8 --flavour rhythm
python -m tests.histories.emojivoto --npz app/demo/emojivoto.npz
"""
