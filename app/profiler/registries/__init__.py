"""In-memory state of Pods, workloads and namespaces, fed by watches. No I/O."""
