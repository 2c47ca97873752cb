{{/* Webhook, in the namespace of the profiles. */}}
{{- define "job-profiler.rights.webhook-profiles" -}}
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles, memoryprofiles, connectionprofiles]
  verbs: [get, list, watch]
{{- end }}

{{/* Webhook, in its own namespace: its certificate. */}}
{{- define "job-profiler.rights.webhook" -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "job-profiler.fullname" . }}-tls]
  verbs: [get, list, watch]
{{- end }}

{{/*
Webhook, in the cluster: whether API servers trust its certificate; where it sets requests, also which namespaces
ask for it.
*/}}
{{- define "job-profiler.rights.webhook-cluster" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "job-profiler.fullname" . }}]
  verbs: [get, list, watch]
{{- if .Values.scheduling.enabled }}
{{ include "job-profiler.rights.namespaces" . }}
{{- end }}
{{- end }}

{{/* The same in each profiled namespace, or in the cluster where all are profiled: what requests must fit. */}}
{{- define "job-profiler.rights.webhook-limits" -}}
- apiGroups: [""]
  resources: [limitranges, resourcequotas]
  verbs: [get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
{{- end }}

{{/* Labels of namespaces. They belong to no namespace themselves: those that are listed are named. */}}
{{- define "job-profiler.rights.namespaces" -}}
- apiGroups: [""]
  resources: [namespaces]
  {{- with .Values.profiling.namespaces }}
  resourceNames: {{ uniq . | sortAlpha | toJson }}
  {{- end }}
  verbs: [get, list, watch]
{{- end }}

{{/* Profiler, in the namespace of the profiles. */}}
{{- define "job-profiler.rights.profiler-profiles" -}}
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles, memoryprofiles, connectionprofiles]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles/status, memoryprofiles/status, connectionprofiles/status]
  verbs: [patch]
{{- end }}

{{/* Profiler, in its own namespace: the objects that the release renders empty, check-points, and Events. */}}
{{- define "job-profiler.rights.profiler" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "job-profiler.fullname" . }}]
  verbs: [get, update, patch]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [job-profiler-status]
  verbs: [get, update, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
# Check-points, whose names tell what is in them; and the self-probe, which is never stored.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, update, delete]
{{- if include "job-profiler.selfManagedCertificates" . }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "job-profiler.fullname" . }}-ca, {{ include "job-profiler.fullname" . }}-tls]
  verbs: [get, list, watch, update, patch]
{{- end }}
{{- end }}

{{/*
Profiler, in the cluster: which namespaces are in scope, and of the one webhook configuration what the self-probe
compares and caBundle.
*/}}
{{- define "job-profiler.rights.profiler-cluster" -}}
{{ include "job-profiler.rights.namespaces" . }}
{{- $verbs := ternary (list "get" "patch") (ternary (list "get") list .Values.probe.enabled) (eq .Values.certificates.provider "self") }}
{{- with $verbs }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "job-profiler.fullname" $ }}]
  verbs: {{ toJson . }}
{{- end }}
{{- end }}

{{/* Profiler, in each profiled namespace, or in the cluster where all are profiled. */}}
{{- define "job-profiler.rights.profiler-workloads" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch{{ if .Values.backfill.enabled }}, patch{{ end }}]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/*
A role with the rights of that name, given to the account that plays the webhook or the profiler. Takes a dict of
root, player, rights and namespace; without a namespace it holds in the whole cluster.
*/}}
{{- define "job-profiler.role" -}}
{{- $name := printf "%s-%s" (include "job-profiler.fullname" .root) .rights }}
{{- $component := include "job-profiler.component" (list .root .player) }}
{{- $scope := ternary "" "Cluster" (not (empty .namespace)) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}Role
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "job-profiler.labels" .root | nindent 4 }}
rules:
  {{- include (printf "job-profiler.rights.%s" .rights) .root | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}RoleBinding
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "job-profiler.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $scope }}Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "job-profiler.componentName" (list .root $component) }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
