"""In-memory state that watches feed: Pods, workloads, namespaces. No I/O."""
