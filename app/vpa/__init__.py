"""The status of VerticalPodAutoscalers, from stored profiles: what VPA's own recommender writes.

Pure; `app.profiler.vpa` acts.
"""
