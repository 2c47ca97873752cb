"""Real programs for tests: a control plane, kubectl, Helm and Prometheus, all on free loopback ports.

Every process is a child of the test run, is terminated by its own process id, and can't outlive the run.
"""
