"""Recommendations in VerticalPodAutoscalers: `app.vpa` decides what they say, `job` writes them."""
