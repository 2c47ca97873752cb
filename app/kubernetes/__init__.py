"""Client of the Kubernetes API server. Only this package imports the client library.

Its callers get decoded JSON, values of `app.domain` and exceptions of `app.errors`. Each caller declares
Protocols for the classes that it uses. Every request has a time-out. Objects that the chart renders are never
created here.
"""
