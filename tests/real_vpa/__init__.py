"""VPA's own updater and admission controller act on the product's recommendations; run by hand.

`python -m tests.real_vpa --help` says how.
"""
