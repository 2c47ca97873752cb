"""Service meshes, each behind the protocol in `conversation`: only generators of queries, no I/O."""
