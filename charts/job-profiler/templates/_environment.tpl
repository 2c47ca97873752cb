{{/*
Environment variables of each role: only the settings that it reads. No value is empty: the API server drops an empty
value, so that the next apply would show a change.
Each template takes the root and returns a list of name and value.
*/}}

{{- define "job-profiler.environment.shared" -}}
- name: OWN_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
- name: PROFILES_NAMESPACE
  value: {{ include "job-profiler.profilesNamespace" . | quote }}
{{- with .Values.profiling.namespaces }}
- name: PROFILING_NAMESPACE
  value: {{ join "," . | quote }}
{{- end }}
- name: EXCLUDED_NAMESPACES
  value: {{ include "job-profiler.excludedNamespaces" . | fromJsonArray | join "," | quote }}
- name: TLS_SECRET
  value: {{ printf "%s-tls" (include "job-profiler.fullname" .) | quote }}
- name: WEBHOOK_CONFIGURATION
  value: {{ include "job-profiler.fullname" . | quote }}
- name: BIND_ADDRESS
  value: {{ .Values.bindAddress | quote }}
- name: HEALTH_PORT
  value: {{ .Values.healthPort | int | quote }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: MAX_CONNECTIONS
  value: {{ .Values.profiling.maxConnections | int | quote }}
{{- if .Values.scheduling.enabled }}
- name: OPERATING_MODE
  value: PROFILING_SCHEDULING
{{- end }}
{{- if or .Values.scheduling.enabled .Values.vpa.recommender.enabled }}
- name: SCHEDULING_MIN_CONFIDENCE
  value: {{ .Values.scheduling.minConfidence | quote }}
- name: SCHEDULING_DEADBAND
  value: {{ .Values.scheduling.deadband | quote }}
{{- range $resource := list "cpu" "memory" }}
{{- $bounds := index $.Values.scheduling $resource }}
- name: {{ printf "SCHEDULING_%s_FLOOR" (upper $resource) }}
  value: {{ $bounds.floor | quote }}
- name: {{ printf "SCHEDULING_%s_CEILING" (upper $resource) }}
  value: {{ $bounds.ceiling | quote }}
- name: {{ printf "SCHEDULING_%s_LIMIT_RATIO" (upper $resource) }}
  value: {{ $bounds.limitRatio | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "job-profiler.environment.webhook" -}}
- name: WEBHOOK_PORT
  value: {{ .Values.webhook.port | int | quote }}
- name: SHUTDOWN_DELAY
  value: {{ .Values.webhook.shutdownDelaySeconds | int | quote }}
- name: MAX_CLIENT_CONNECTIONS
  value: {{ .Values.webhook.maxClientConnections.total | int | quote }}
- name: MAX_CLIENT_CONNECTIONS_PER_ADDRESS
  value: {{ .Values.webhook.maxClientConnections.perAddress | int | quote }}
{{- if include "job-profiler.isSet" .Values.webhook.clientCa }}
- name: CLIENT_CA_FILE
  value: /etc/job-profiler/client/ca.crt
{{- with .Values.webhook.clientCa.names }}
- name: CLIENT_NAMES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "job-profiler.environment.profiler" -}}
- name: IDENTITY
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.name
- name: LEASE
  value: {{ include "job-profiler.fullname" . | quote }}
{{- with include "job-profiler.namespaceSelector" . }}
- name: PROFILING_NAMESPACE_SELECTOR
  value: {{ . | quote }}
{{- end }}
- name: NETWORK_METRIC_PROVIDER
  value: {{ .Values.profiling.networkMetricProvider | quote }}
- name: SERVICE_GRAPH_SAMPLING
  value: {{ .Values.profiling.serviceGraphSampling | quote }}
- name: MESH_PROXY_NAMESPACES
  value: {{ join "," .Values.profiling.meshProxyNamespaces | default "," | quote }}
- name: BACKGROUND_ROUTINE_UPDATE_TIME
  value: {{ .Values.profiling.updateSeconds | int | quote }}
- name: HISTORY_DAYS
  value: {{ .Values.profiling.historyDays | int | quote }}
- name: TIMESLOTS
  value: {{ .Values.profiling.timeslots | int | quote }}
- name: MIN_SAMPLES
  value: {{ .Values.profiling.minSamples | int | quote }}
- name: RISK
  value: {{ .Values.profiling.risk | quote }}
- name: MAX_PROFILES
  value: {{ .Values.profiling.maxProfiles | int | quote }}
- name: MAX_EDGES
  value: {{ .Values.profiling.maxEdges | int | quote }}
- name: MAX_HISTORY_SIZE
  value: {{ .Values.profiling.maxHistorySize | quote }}
- name: MAX_CPU_NEED
  value: {{ .Values.profiling.maxCpuNeed | quote }}
- name: MAX_MEMORY_NEED
  value: {{ .Values.profiling.maxMemoryNeed | quote }}
- name: PROFILE_WRITE_RATE
  value: {{ .Values.profiling.profileWriteRate | quote }}
- name: STALE_AFTER_DAYS
  value: {{ .Values.profiling.staleAfterDays | quote }}
- name: EXPIRE_AFTER_DAYS
  value: {{ .Values.profiling.expireAfterDays | quote }}
{{- range $resource, $price := .Values.prices }}
{{- if $price }}
- name: {{ printf "%s_PRICE" (upper $resource) }}
  value: {{ $price | quote }}
{{- end }}
{{- end }}
- name: BACKFILL_ENABLED
  value: {{ .Values.backfill.enabled | quote }}
- name: BACKFILL_RATE
  value: {{ .Values.backfill.rate | quote }}
{{- with .Values.vpa.recommender }}
{{- if .enabled }}
- name: VPA_RECOMMENDER_ENABLED
  value: "true"
- name: VPA_RECOMMENDER_NAME
  value: {{ .name | quote }}
- name: VPA_WRITE_RATE
  value: {{ .writeRate | quote }}
{{- end }}
{{- end }}
{{- if .Values.vpa.objects.enabled }}
- name: VPA_OBJECTS_ENABLED
  value: "true"
{{- end }}
- name: WORKLOAD_METRICS
  value: {{ .Values.monitoring.workloadMetrics | quote }}
- name: MAX_WORKLOAD_SERIES
  value: {{ .Values.monitoring.maxWorkloadSeries | int | quote }}
- name: CERTIFICATE_PROVIDER
  value: {{ .Values.certificates.provider | quote }}
{{- if include "job-profiler.selfManagedCertificates" . }}
- name: CERTIFICATE_NAMES
  value: {{ include "job-profiler.certificateNames" . | fromJsonArray | join "," | quote }}
- name: CA_SECRET
  value: {{ printf "%s-ca" (include "job-profiler.fullname" .) | quote }}
{{- end }}
{{ include "job-profiler.environment.prometheus" . }}
{{ include "job-profiler.environment.probe" . }}
{{- end }}

{{/* Address and credentials of Prometheus. */}}
{{- define "job-profiler.environment.prometheus" -}}
- name: PROMETHEUS_URL
  value: {{ .Values.prometheus.url | quote }}
- name: PROMETHEUS_NAMESPACES
  value: {{ include "job-profiler.prometheusNamespaces" . | fromJsonArray | join "," | default "," | quote }}
- name: PROMETHEUS_PORT
  value: {{ .Values.prometheus.port | int | quote }}
{{- with .Values.prometheus.connectionsUrl }}
- name: CONNECTIONS_PROMETHEUS_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.prometheus.containerMetricsMatcher }}
- name: CONTAINER_METRICS_MATCHER
  value: {{ . | quote }}
{{- end }}
{{- with .Values.prometheus.stateMetricsMatcher }}
- name: STATE_METRICS_MATCHER
  value: {{ . | quote }}
{{- end }}
{{- with .Values.prometheus.cluster }}
- name: PROMETHEUS_CLUSTER
  value: {{ . | quote }}
- name: PROMETHEUS_CLUSTER_LABEL
  value: {{ $.Values.prometheus.clusterLabel | quote }}
{{- end }}
{{- with .Values.prometheus.connectionsCluster }}
- name: CONNECTIONS_PROMETHEUS_CLUSTER
  value: {{ . | quote }}
- name: CONNECTIONS_PROMETHEUS_CLUSTER_LABEL
  value: {{ $.Values.prometheus.connectionsClusterLabel | quote }}
{{- end }}
{{- with .Values.prometheus.auth }}
{{- if .bearerTokenSecret }}
- name: PROMETHEUS_BEARER_TOKEN_FILE
  value: /etc/job-profiler/prometheus-credentials/token
{{- end }}
{{- if .basicAuthSecret }}
- name: PROMETHEUS_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .basicAuthSecret | quote }}
      key: username
- name: PROMETHEUS_PASSWORD_FILE
  value: /etc/job-profiler/prometheus-credentials/password
{{- end }}
{{- if include "job-profiler.isSet" .ca }}
- name: PROMETHEUS_CA_FILE
  value: /etc/job-profiler/prometheus-ca/ca.crt
{{- end }}
{{- if .tlsSecret }}
- name: PROMETHEUS_CERTIFICATE_FILE
  value: /etc/job-profiler/prometheus-certificate/tls.crt
- name: PROMETHEUS_KEY_FILE
  value: /etc/job-profiler/prometheus-certificate/tls.key
{{- end }}
{{- with .tenant }}
- name: PROMETHEUS_TENANT
  value: {{ . | quote }}
{{- end }}
{{- with .sigv4Region }}
- name: PROMETHEUS_SIGV4_REGION
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of the self-probe, with the rules and selectors that the live webhook configuration must have. */}}
{{- define "job-profiler.environment.probe" -}}
- name: PROBE_ENABLED
  value: {{ .Values.probe.enabled | quote }}
{{- if .Values.probe.enabled }}
- name: PROBE_INTERVAL
  value: {{ .Values.probe.intervalSeconds | int | quote }}
- name: EXPECTED_WEBHOOK
  value: {{ include "job-profiler.podRule" . | fromYaml | toJson | quote }}
{{- end }}
{{- end }}

{{/* Variables of a component from the chart's values. Takes (list root component). */}}
{{- define "job-profiler.environment.own" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
- name: ROLE
  value: {{ $component }}
{{ include "job-profiler.environment.shared" $root }}
{{- if ne $component "profiler" }}
{{ include "job-profiler.environment.webhook" $root }}
{{- end }}
{{- if ne $component "webhook" }}
{{ include "job-profiler.environment.profiler" $root }}
{{- end }}
{{- end }}

{{/*
All variables of a component. A variable in extraEnv replaces the chart's: server-side apply refuses a name that
occurs twice. Takes (list root component).
*/}}
{{- define "job-profiler.environment" -}}
{{- $extra := (index (index . 0).Values (index . 1)).extraEnv }}
{{- $added := dict }}
{{- range $extra }}
{{- $_ := set $added .name true }}
{{- end }}
{{- $variables := list }}
{{- range include "job-profiler.environment.own" . | fromYamlArray }}
{{- if not (hasKey $added .name) }}
{{- $variables = append $variables . }}
{{- end }}
{{- end }}
{{- concat $variables $extra | toYaml }}
{{- end }}
