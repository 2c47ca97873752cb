{{/*
What a person has to be told of; each alert has a section in docs/runbooks.md. The namespace is the one that Prometheus
finds the Pods in. What a cycle tells is asked of the leader alone: the others keep the figures of their last term.
*/}}
{{- define "job-profiler.alerts" -}}
{{- $release := printf "namespace=%q" .Release.Namespace -}}
{{- $ofTheLeader := printf "and on (job, instance) job_profiler_leader{%s} == 1" $release -}}
{{- $signals := ternary "signal!=\"connections\", " "" (eq .Values.profiling.networkMetricProvider "none") -}}
- alert: JobProfilerFailingOpen
  # The counter first appears with its first failure, which is no increase yet.
  expr: >-
    sum((apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"}
    unless apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"} offset 10m)
    or increase(apiserver_admission_webhook_fail_open_count{name="pods.job-profiler.liqo.io"}[10m])) > 0
  labels:
    severity: warning
  annotations:
    summary: API servers create Pods without the job profiler's webhook.
    description: >-
      About {{ `{{ $value | printf "%.0f" }}` }} Pods in 10 minutes were created although the webhook gave no answer.
      Back-fill annotates them; find out why the webhook can't be reached.
- alert: JobProfilerPodsMissed
  expr: sum(increase(job_profiler_missed_total{ {{- $release -}} }[15m])) > 0
  labels:
    severity: warning
  annotations:
    summary: Pods of profiled workloads were created without annotations.
    description: >-
      Back-fill found about {{ `{{ $value | printf "%.0f" }}` }} Pods in 15 minutes that the webhook should have
      annotated when they were created, and has annotated them.
- alert: JobProfilerProbeFailing
  expr: job_profiler_probe_success{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: The job profiler's webhook is not in effect.
    description: >-
      For 5 minutes what the self-probe creates by dry run came back without the webhook's mark, or the live webhook
      configuration is not the one that was installed. New Pods get no annotations until back-fill finds them.
- alert: JobProfilerCertificateExpiring
  # Leaves are renewed with at least two days left, authorities with months.
  expr: >-
    job_profiler_cert_expiry_timestamp_seconds{kind="leaf", {{ $release }}} - time() < 86400
    or job_profiler_cert_expiry_timestamp_seconds{kind="ca", {{ $release }}} - time() < 604800
  for: 15m
  labels:
    severity: critical
  annotations:
    summary: A certificate of the job profiler's webhook is not being renewed.
    description: >-
      The {{ `{{ $labels.kind }}` }} certificate known to {{ `{{ $labels.pod }}` }} ends in
      {{ `{{ $value | humanizeDuration }}` }}. After that API servers create Pods without the webhook.
- alert: JobProfilerCaBundleMismatch
  expr: job_profiler_ca_bundle_match{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: API servers would not accept the certificate of a replica of the job profiler's webhook.
    description: >-
      The caBundle of the webhook configuration does not vouch for what {{ `{{ $labels.pod }}` }} serves.
- alert: JobProfilerIndexStale
  expr: >-
    time() - job_profiler_cache_last_event_timestamp_seconds{ {{- $release -}} } > 600
    or job_profiler_cache_synced{ {{- $release -}} } == 0
  for: 5m
  labels:
    severity: warning
  annotations:
    summary: A replica of the job profiler answers from old knowledge.
    description: >-
      {{ `{{ $labels.pod }}` }} has heard nothing of {{ `{{ with $labels.resource }}{{ . }}{{ else }}the profiles{{ end }}` }}
      for 10 minutes, though API servers speak every minute.
- alert: JobProfilerAdmissionSlow
  expr: >-
    histogram_quantile(0.99,
    sum by (le) (rate(job_profiler_admission_duration_seconds_bucket{ {{- $release -}} }[5m]))) > 1
  for: 5m
  labels:
    severity: warning
  annotations:
    summary: The job profiler's webhook delays the creation of Pods.
    description: One in a hundred admissions takes more than {{ `{{ $value | humanizeDuration }}` }}.
- alert: JobProfilerWithoutLeader
  expr: >-
    sum(job_profiler_leader{ {{- $release -}} }) == 0 or absent(job_profiler_leader{ {{- $release -}} })
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: No replica of the job profiler leads.
    description: >-
      For 5 minutes nobody has refreshed profiles, set annotations of running Pods right, or renewed certificates.
- alert: JobProfilerSourceFailing
  expr: job_profiler_signal_healthy{ {{- $signals -}} {{- $release -}} } == 0 {{ $ofTheLeader }}
  for: 30m
  labels:
    severity: warning
  annotations:
    summary: A source of the job profiler gives nothing usable.
    description: >-
      For 30 minutes the signal {{ `{{ $labels.signal }}` }} has failed or been empty; its profiles stay as they were.
- alert: JobProfilerCyclesFailing
  expr: >-
    time() - job_profiler_last_success_timestamp_seconds{ {{- $release -}} } >
    {{ add 600 (mul 3 .Values.profiling.updateSeconds) }} {{ $ofTheLeader }}
  for: 20m
  labels:
    severity: warning
  annotations:
    summary: The job profiler leads but refreshes no profile.
    description: The last refresh ended {{ `{{ $value | humanizeDuration }}` }} ago.
{{- if .Values.backfill.enabled }}
- alert: JobProfilerBackfillGrowing
  expr: >-
    min_over_time(job_profiler_backfill_pending{ {{- $release -}} }[30m]) > 0
    and delta(job_profiler_backfill_pending{ {{- $release -}} }[30m]) >= 0 {{ $ofTheLeader }}
  for: 15m
  labels:
    severity: warning
  annotations:
    summary: Running Pods wait for their annotations, and no fewer than before.
    description: >-
      {{ `{{ $value | printf "%.0f" }}` }} Pods wait at least, as they did half an hour ago.
{{- end }}
{{- end }}
