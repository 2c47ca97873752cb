"""The pages of `docs/pages/reference/`, generated from commands, settings, metrics, CRDs and the chart.

Each module returns the text of one page; `__main__` writes or compares the files.
"""
