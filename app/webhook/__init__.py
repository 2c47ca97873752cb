"""The admission role: a review in, a patch out, answered from memory.

No network and no disk I/O stands between a review and its answer, and no fault refuses a Pod: whatever
goes wrong ends in `allowed: true` without a patch, and what goes wrong with a Pod's requests costs it no
annotation. `reviews`, `patching`, `decisions`, `pod_resources` and the indexes are pure.
"""
