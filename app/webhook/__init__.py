"""The admission role: a review in, a patch out, answered from memory.

No network and no disk I/O stands between a review and its answer, and no fault refuses a Pod: whatever
goes wrong ends in `allowed: true` without a patch. `reviews`, `patching` and `decisions` are pure.
"""
