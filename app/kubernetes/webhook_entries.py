"""Names of the two entries in the MutatingWebhookConfiguration: for Pods, and for the self-probe."""

WEBHOOK = "pods.job-profiler.liqo.io"
PROBE_WEBHOOK = "probe.job-profiler.liqo.io"
