"""What a Prometheus has for the profiler, and what follows from that; pure.

`examination` asks, in rounds of queries; `observations` has the answers; `features` and `findings` say what
they allow, what is missing, and how to get it. `job-profiler doctor` sends the queries and prints the result.
"""
