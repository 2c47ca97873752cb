"""The only package that talks to the API server; nothing of the client library leaves it.

Everybody else gets decoded JSON, values of `app.domain` and exceptions of `app.errors`, and sees the classes
only through Protocols of its own. Every request has a time-out. No object that the chart renders is created.
"""
