"""Writes of VerticalPodAutoscalers, which `app.vpa` decides: `job` writes statuses, `keeper` own objects."""
