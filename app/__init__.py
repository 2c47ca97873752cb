"""Kubernetes Job Profiler: learns what every micro-service needs and whom it talks to.

Layers, from the top; a module imports only what stands below it (the contracts are in `pyproject.toml`):

    __main__, command_line   what a person types: serve, profile, status, backtest, demo ...
    runtime                  composition roots: opens clients, wires roles, supervises tasks
    backtest                 replays sizing rules on the past, records it, explains a number
    profiler                 the background role: one cycle after the other, leader only
    webhook                  the admission role: index in memory, review in, patch out
    tls                      certificate authority, serving certificate, trust in the webhook
    kubernetes               the only package that talks to the API server
    sources                  the only package that talks to Prometheus or reads recorded histories
    settings, setting_types, periodic
                             what the user may set; how a task is repeated
    estimation               pure numpy: day rows, percentiles, means over wall-clock time
    rightsizing              pure: the requests of a Pod from profiles, within what its namespace allows
    domain                   pure data: workloads, profiles, their names and annotations
    errors                   every exception of ours
"""
