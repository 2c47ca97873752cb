"""The page that shows profiles: views are plain values, `pages` writes HTML, and `server` serves it.

Nothing is computed here that a command computes too: views choose, sort and name what `decisions` returns.
Names and messages from a cluster or from Prometheus are hostile text: only templates write HTML, and they
escape it.
"""
