{{- define "job-profiler.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Termination grace period. The webhook needs it to serve until its endpoint is removed, to answer pending reviews and to
stop; the profiler, to finish its work and release the Lease. The process does that itself on SIGTERM, so no preStop
hook is needed. Takes (list root component).
*/}}
{{- define "job-profiler.gracePeriodSeconds" -}}
{{- with (index . 0).Values.webhook }}
{{- ternary 30 (add .shutdownDelaySeconds .timeoutSeconds 15) (eq (index $ 1) "profiler") }}
{{- end }}
{{- end }}

{{/* Security context of the Pods, as the Pod Security Standard `restricted` requires. */}}
{{- define "job-profiler.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "job-profiler.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "job-profiler.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: health
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: health
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* Scheduling of Pods on nodes. Takes (list root component). */}}
{{- define "job-profiler.scheduling" -}}
{{- $root := index . 0 }}
{{- $values := index $root.Values (index . 1) }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $root.Values.priorityClassName $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else if $values.replicas }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "job-profiler.selector" $ | nindent 8 }}
    {{- /* Without it, replicas of the old version, which are about to stop, count too. */}}
    {{- if semverCompare ">=1.27-0" $root.Capabilities.KubeVersion.Version }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
