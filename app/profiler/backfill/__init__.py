"""Back-fill: repairs annotations of running Pods by merge patches. `plan` is pure."""
