"""The only package that talks to the API server; nothing of the client library leaves it.

Everybody else gets decoded JSON, values of `app.domain` and exceptions of `app.errors`. Every request has a
time-out, nothing here creates an object that the chart renders, and other packages see these classes only through
Protocols of their own.
"""
