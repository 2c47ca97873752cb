{{- define "job-profiler.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 44 | trimSuffix "-" }}
{{- end }}

{{/* 44 characters leave room for the longest suffix, "-profiler-workloads". */}}
{{- define "job-profiler.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 44 | trimSuffix "-" }}
{{- end }}

{{/* The Deployments of the topology, as a JSON list. */}}
{{- define "job-profiler.components" -}}
{{- ternary (list "combined") (list "webhook" "profiler") (eq .Values.topology "combined") | toJson }}
{{- end }}

{{/* The component with a role ("webhook" or "profiler"). Takes (list root role). */}}
{{- define "job-profiler.component" -}}
{{- $root := index . 0 }}
{{- ternary "combined" (index . 1) (eq $root.Values.topology "combined") }}
{{- end }}

{{/* Name of a component's Deployment and ServiceAccount. Takes (list root component). */}}
{{- define "job-profiler.componentName" -}}
{{- $root := index . 0 }}
{{- $fullname := include "job-profiler.fullname" $root }}
{{- ternary $fullname (printf "%s-%s" $fullname (index . 1)) (eq (index . 1) "combined") }}
{{- end }}

{{/* Labels that select the Pods of a component. Takes (list root component). */}}
{{- define "job-profiler.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "job-profiler.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object: commonLabels, and the chart's own, which commonLabels can't replace. */}}
{{- define "job-profiler.labels" -}}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "app.kubernetes.io/component" "helm.sh/chart" }}
{{- toYaml . }}
{{ end -}}
app.kubernetes.io/name: {{ include "job-profiler.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: job-profiler
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "job-profiler.profilesNamespace" -}}
{{- default .Release.Namespace .Values.profiling.profilesNamespace }}
{{- end }}

{{/* Namespaces that are neither profiled nor annotated, as a JSON list. */}}
{{- define "job-profiler.excludedNamespaces" -}}
{{- $own := list .Release.Namespace (include "job-profiler.profilesNamespace" .) }}
{{- concat .Values.profiling.excludedNamespaces $own | uniq | sortAlpha | toJson }}
{{- end }}

{{/* All names of the webhook in its certificate, as a JSON list. */}}
{{- define "job-profiler.certificateNames" -}}
{{- $service := printf "%s-webhook.%s.svc" (include "job-profiler.fullname" .) .Release.Namespace }}
{{- $names := list $service (printf "%s.cluster.local" $service) }}
{{- with .Values.webhook.url }}
{{- $names = append $names (get (urlParse .) "hostname") }}
{{- end }}
{{- $names | uniq | toJson }}
{{- end }}

{{- define "job-profiler.selfManagedCertificates" -}}
{{- if eq .Values.certificates.provider "self" }}true{{ end }}
{{- end }}

{{/* The namespace selector as one line, such as team=web,stage in (live,test),!legacy. */}}
{{- define "job-profiler.namespaceSelector" -}}
{{- $parts := list }}
{{- range $key, $value := .Values.profiling.namespaceSelector.matchLabels }}
{{- $parts = append $parts (printf "%s=%s" $key $value) }}
{{- end }}
{{- range .Values.profiling.namespaceSelector.matchExpressions }}
{{- if eq .operator "Exists" }}
{{- $parts = append $parts .key }}
{{- else if eq .operator "DoesNotExist" }}
{{- $parts = append $parts (printf "!%s" .key) }}
{{- else }}
{{- $parts = append $parts (printf "%s %s (%s)" .key (lower .operator) (join "," .values)) }}
{{- end }}
{{- end }}
{{- join "," $parts }}
{{- end }}

{{/* True if Prometheus is searched for. */}}
{{- define "job-profiler.searchesPrometheus" -}}
{{- if eq (lower .Values.prometheus.url) "auto" }}true{{ end }}
{{- end }}

{{/* Namespaces of the search, in its order, as a JSON list; the profiler adds its own. */}}
{{- define "job-profiler.prometheusNamespaces" -}}
{{- $viz := ternary (list .Values.linkerd.vizNamespace) list .Values.linkerd.viz }}
{{- concat .Values.prometheus.namespaces $viz | uniq | toJson }}
{{- end }}

{{/*
Namespaces in which the search is allowed, as a JSON list: those that exist, and the release's own. Without a cluster, as
in `helm template`, none can be looked up, and all count.
*/}}
{{- define "job-profiler.searchedNamespaces" -}}
{{- $isCluster := lookup "v1" "Namespace" "" "kube-system" }}
{{- $searched := list }}
{{- range include "job-profiler.prometheusNamespaces" . | fromJsonArray }}
{{- if or (not $isCluster) (lookup "v1" "Namespace" "" .) }}
{{- $searched = append $searched . }}
{{- end }}
{{- end }}
{{- append (without $searched .Release.Namespace) .Release.Namespace | toJson }}
{{- end }}

{{/* Ports of Prometheus, as a JSON list. With a search, those of the Pods of all products that it knows. */}}
{{- define "job-profiler.prometheusPorts" -}}
{{- $ports := list }}
{{- $urls := list .Values.prometheus.connectionsUrl }}
{{- if include "job-profiler.searchesPrometheus" . }}
{{- $ports = list 9090 10902 8428 8429 8481 8080 }}
{{- else }}
{{- $urls = prepend $urls .Values.prometheus.url }}
{{- end }}
{{- range without $urls "" }}
{{- $host := regexFind "[^/]+" (regexReplaceAll "^https?://" . "") }}
{{- $default := $.Values.prometheus.port }}
{{- if hasPrefix "https://" . }}
{{- $default = 443 }}
{{- else if contains "://" . }}
{{- $default = 80 }}
{{- end }}
{{- $port := "" }}
{{- if not (regexMatch "^[^\\[]*:[^:]*:" $host) }}{{/* fd00::5 has none */}}
{{- $port = regexFind ":[0-9]+$" $host }}
{{- end }}
{{- $ports = append $ports (default $default (trimPrefix ":" $port) | int) }}
{{- end }}
{{- default (uniq $ports) .Values.networkPolicy.prometheusPorts | toJson }}
{{- end }}
