"""The main job with no cluster: a recorded past of emojivoto, the real server, one Pod posted to it.

Only what a cluster would give is stood in for: the past is a file and the profiles stay in memory.
"""
