"""The self-probe: a dry-run ConfigMap that shows whether the API server reaches the webhook."""
