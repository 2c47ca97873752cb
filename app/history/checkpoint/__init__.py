"""Check-points: the history as bytes, in shards by range of workload keys. Pure."""
