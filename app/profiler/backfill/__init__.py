"""Back-fill: annotations of running Pods, brought up to date by merge patches. `plan` is pure."""
