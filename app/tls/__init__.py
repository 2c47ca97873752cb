"""The webhook's serving certificate and its CA: issuing, renewal, publication of the CA bundle, serving.

`key_pairs`, `issuing`, `renewal` and `rotation` are pure: time, keys and serial numbers are arguments.
`keeper` acts on the plan of `rotation`; it declares the protocols for Secrets and webhook configuration.
"""
