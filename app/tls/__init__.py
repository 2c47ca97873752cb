"""The webhook's certificate: issuing it, renewing it, making the API server trust it, serving it.

`issuing` is pure but for randomness; time is an argument everywhere. Secrets and the webhook configuration
are reached through the protocols that `keeper` declares.
"""
