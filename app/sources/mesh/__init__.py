"""Service meshes, each as queries and the join of their results behind the protocol `Mesh`; no I/O."""
