"""The webhook: answers admission reviews with JSON patches, from memory.

Answering a review needs no network and no disk I/O, and no fault rejects a Pod: after any fault the answer is
`allowed: true` without a patch, and a fault in sizing requests does not affect annotations. `reviews`,
`patching`, `decisions`, `pod_resources` and the indexes are pure.
"""
