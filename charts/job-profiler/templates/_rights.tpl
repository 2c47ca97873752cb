{{/* Webhook, in the namespace of the profiles: read profiles. */}}
{{- define "job-profiler.rights.webhook-profiles" -}}
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles, memoryprofiles, connectionprofiles]
  verbs: [list, watch]
{{- end }}

{{/* Webhook, in its own namespace: read its certificate. */}}
{{- define "job-profiler.rights.webhook" -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "job-profiler.fullname" . }}-tls]
  verbs: [list, watch]
{{- end }}

{{/*
Webhook, cluster-wide: read the caBundle, to check that API servers trust its certificate, and the labels of namespaces
that ask for requests.
*/}}
{{- define "job-profiler.rights.webhook-cluster" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "job-profiler.fullname" . }}]
  verbs: [get, list, watch]
{{ include "job-profiler.rights.namespaces" . }}
{{- end }}

{{/* Webhook, in each profiled namespace, or cluster-wide if all are profiled: read what limits requests. */}}
{{- define "job-profiler.rights.webhook-limits" -}}
- apiGroups: [""]
  resources: [limitranges, resourcequotas]
  verbs: [list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [autoscaling.k8s.io]
  resources: [verticalpodautoscalers]
  verbs: [list, watch]
{{- end }}

{{/* Read namespaces. They are cluster-scoped objects: resourceNames has the listed ones. */}}
{{- define "job-profiler.rights.namespaces" -}}
- apiGroups: [""]
  resources: [namespaces]
  {{- with .Values.profiling.namespaces }}
  resourceNames: {{ uniq . | sortAlpha | toJson }}
  {{- end }}
  verbs: [list, watch]
{{- end }}

{{/* Profiler, in the namespace of the profiles: write profiles. */}}
{{- define "job-profiler.rights.profiler-profiles" -}}
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles, memoryprofiles, connectionprofiles]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [webapp.liqo.io.profiling]
  resources: [cpuprofiles/status, memoryprofiles/status, connectionprofiles/status]
  verbs: [patch]
{{- end }}

{{/* Profiler, in its own namespace: write the objects that the release creates empty, check-points and Events. */}}
{{- define "job-profiler.rights.profiler" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "job-profiler.fullname" . }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [job-profiler-status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
# Check-points, which have names that depend on their content, and the self-probe's dry run; `get` serves the status too.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, update, delete]
{{- if include "job-profiler.selfManagedCertificates" . }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "job-profiler.fullname" . }}-ca, {{ include "job-profiler.fullname" . }}-tls]
  verbs: [get, update]
{{- end }}
{{- end }}

{{/*
Profiler, cluster-wide: read the namespaces in scope; read the release's webhook configuration for the self-probe, and
patch its caBundle.
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

{{/* Profiler, in each profiled namespace, or cluster-wide if all are profiled. */}}
{{- define "job-profiler.rights.profiler-workloads" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch{{ if .Values.backfill.enabled }}, patch{{ end }}]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.vpa.recommender.enabled }}
- apiGroups: [autoscaling.k8s.io]
  resources: [verticalpodautoscalers]
  verbs: [list, watch{{ if .Values.vpa.objects.enabled }}, create, patch, delete{{ end }}]
- apiGroups: [autoscaling.k8s.io]
  resources: [verticalpodautoscalers/status]
  verbs: [patch]
{{- end }}
{{- end }}

{{/* Profiler, in each namespace in which it searches for Prometheus: read Services. */}}
{{- define "job-profiler.rights.profiler-services" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [list]
{{- end }}

{{/*
A Role with the rights of that name, bound to the service account of the webhook or the profiler. Takes a dict of
root, account, rights and namespace; without a namespace it is a ClusterRole.
*/}}
{{- define "job-profiler.role" -}}
{{- $name := printf "%s-%s" (include "job-profiler.fullname" .root) .rights }}
{{- $component := include "job-profiler.component" (list .root .account) }}
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
