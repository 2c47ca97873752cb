"""Providers of connections, each as queries and the join of their results; no I/O."""
