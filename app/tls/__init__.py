"""The webhook's serving certificate and its CA: issuing, renewal, publication of the CA bundle, serving.

`issuing` is pure except for randomness; time is always an argument. Secrets and the webhook configuration are
accessed through the protocols that `keeper` declares.
"""
