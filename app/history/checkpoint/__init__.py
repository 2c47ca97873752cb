"""The history as bytes, cut into shards of workload keys, and joined again. Pure."""
