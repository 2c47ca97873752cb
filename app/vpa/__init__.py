"""VerticalPodAutoscalers: their status from stored profiles, and the objects that the profiler keeps itself.

Pure; `app.profiler.vpa` acts.
"""
