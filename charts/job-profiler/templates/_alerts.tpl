{{/*
Alerts; each has a section in docs/pages/runbooks.md. The label `namespace` is the namespace in which Prometheus finds the Pods.
Metrics of a cycle are read from the leader only: the other replicas keep the values of their last term.
*/}}
{{- define "job-profiler.alerts" -}}
{{- $release := printf "namespace=%q" .Release.Namespace -}}
{{- $ofTheLeader := printf "and on (job, instance) job_profiler_leader{%s} == 1" $release -}}
{{- $signals := ternary "signal!=\"connections\", " "" (eq .Values.profiling.networkMetricProvider "none") -}}
- alert: JobProfilerFailingOpen
  # The counter appears with its first failure; increase() does not count that one.
  expr: >-
    sum((apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"}
    unless apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"} offset 10m)
    or increase(apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"}[10m])) > 0
  labels:
    severity: warning
  annotations:
    summary: API servers create Pods without calling the job profiler's webhook.
    description: >-
      About {{ `{{ $value | printf "%.0f" }}` }} Pods were created in 10 minutes although the webhook did not answer.
      Back-fill annotates them. Find out why API servers can't reach the webhook.
- alert: JobProfilerPodsMissed
  expr: sum(increase(job_profiler_missed_total{ {{- $release -}} }[15m])) > 0
  labels:
    severity: warning
  annotations:
    summary: Pods of profiled workloads were created without annotations.
    description: >-
      In 15 minutes back-fill annotated about {{ `{{ $value | printf "%.0f" }}` }} Pods that the webhook should have
      annotated when they were created.
- alert: JobProfilerProbeFailing
  expr: job_profiler_probe_success{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: The job profiler's webhook is not in effect.
    description: >-
      For 5 minutes the self-probe's dry run has returned without the webhook's annotation, or the live webhook
      configuration differs from the installed one. New Pods have no annotations until back-fill adds them.
- alert: JobProfilerCertificateExpiring
  # Serving certificates are renewed at least two days before they expire, certificate authorities months before.
  expr: >-
    job_profiler_cert_expiry_timestamp_seconds{kind="leaf", {{ $release }}} - time() < 86400
    or job_profiler_cert_expiry_timestamp_seconds{kind="ca", {{ $release }}} - time() < 604800
  for: 15m
  labels:
    severity: critical
  annotations:
    summary: A certificate of the job profiler's webhook is not being renewed.
    description: >-
      The {{ `{{ $labels.kind }}` }} certificate of {{ `{{ $labels.pod }}` }} expires in
      {{ `{{ $value | humanizeDuration }}` }}. After that API servers create Pods without calling the webhook.
- alert: JobProfilerCaBundleMismatch
  expr: job_profiler_ca_bundle_match{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: API servers do not trust the certificate of a replica of the job profiler's webhook.
    description: >-
      The certificate that {{ `{{ $labels.pod }}` }} serves is not signed by a CA in the webhook configuration's caBundle.
- alert: JobProfilerIndexStale
  expr: >-
    time() - job_profiler_cache_last_event_timestamp_seconds{ {{- $release -}} } > 600
    or job_profiler_cache_synced{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: warning
  annotations:
    summary: A replica of the job profiler has stale data.
    description: >-
      {{ `{{ $labels.pod }}` }} has received no watch event for {{ `{{ with $labels.resource }}{{ . }}{{ else }}the profiles{{ end }}` }}
      for 10 minutes, although API servers send a bookmark every minute.
- alert: JobProfilerAdmissionSlow
  expr: >-
    histogram_quantile(0.99,
    sum by (le) (rate(job_profiler_admission_duration_seconds_bucket{ {{- $release -}} }[5m]))) > 1
  for: 5m
  labels:
    severity: warning
  annotations:
    summary: The job profiler's webhook delays the creation of Pods.
    description: One in a hundred admission reviews takes more than {{ `{{ $value | humanizeDuration }}` }}.
- alert: JobProfilerWithoutLeader
  expr: >-
    sum(job_profiler_leader{ {{- $release -}} }) == 0 or absent(job_profiler_leader{ {{- $release -}} })
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: The job profiler has no leader.
    description: >-
      For 5 minutes no replica has refreshed profiles, repaired annotations of running Pods, or renewed certificates.
- alert: JobProfilerSourceFailing
  expr: job_profiler_signal_healthy{ {{- $signals -}} {{- $release -}} } == 0 {{ $ofTheLeader }}
  for: 30m
  labels:
    severity: warning
  annotations:
    summary: A data source of the job profiler fails or is empty.
    description: >-
      The signal {{ `{{ $labels.signal }}` }} has failed or been empty for 30 minutes; its profiles stay unchanged.
- alert: JobProfilerCyclesFailing
  expr: >-
    time() - job_profiler_last_success_timestamp_seconds{ {{- $release -}} } >
    {{ add 600 (mul 3 .Values.profiling.updateSeconds) }} {{ $ofTheLeader }}
  for: 20m
  labels:
    severity: warning
  annotations:
    summary: The job profiler's leader does not refresh profiles.
    description: The last successful refresh was {{ `{{ $value | humanizeDuration }}` }} ago.
{{- if .Values.backfill.enabled }}
- alert: JobProfilerBackfillGrowing
  expr: >-
    min_over_time(job_profiler_backfill_pending{ {{- $release -}} }[30m]) > 0
    and delta(job_profiler_backfill_pending{ {{- $release -}} }[30m]) >= 0 {{ $ofTheLeader }}
  for: 15m
  labels:
    severity: warning
  annotations:
    summary: The number of running Pods that wait for back-fill does not fall.
    description: >-
      At every time in the last 30 minutes at least {{ `{{ $value | printf "%.0f" }}` }} Pods were waiting.
{{- end }}
{{- end }}
