"""The self-probe: creates a ConfigMap by dry run to check that the API server reaches the webhook."""
