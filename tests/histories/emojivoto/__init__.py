"""The emojivoto history in two formats; `description` states its usage and the resulting profiles.

python -m tests.histories.emojivoto --openmetrics PATH --days 8 --flavour rhythm
python -m tests.histories.emojivoto --npz app/demo/emojivoto.npz
"""
