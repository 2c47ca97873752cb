"""Floods of the webhook, which runs as a process of its own, by clients inside the cluster."""
