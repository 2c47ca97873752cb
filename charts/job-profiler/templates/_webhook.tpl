{{/*
Which Pods the API server asks about. Rendered twice: into the webhook configuration, and into the settings of the
self-probe, which compares the live configuration with it.
*/}}
{{- define "job-profiler.podRule" -}}
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
matchPolicy: Equivalent
namespaceSelector:
  {{- with .Values.profiling.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    - key: job-profiler.liqo.io/ignore
      operator: NotIn
      values: ["true"]
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ include "job-profiler.excludedNamespaces" . }}
    {{- /* Where namespaces do not bear their names, none would be selected: there the webhook itself tells by the
           request's namespace. */}}
    {{- if and .Values.profiling.namespaces (include "job-profiler.namespacesBearNames" .) }}
    - key: kubernetes.io/metadata.name
      operator: In
      values: {{ .Values.profiling.namespaces | uniq | sortAlpha | toJson }}
    {{- end }}
    {{- with .Values.profiling.namespaceSelector.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
objectSelector:
  matchExpressions:
    - key: job-profiler.liqo.io/ignore
      operator: NotIn
      values: ["true"]
{{- /* That a Pod is annotated already is no reason to leave it: a forged annotation has to be replaced. */}}
{{- if semverCompare ">=1.28-0" .Capabilities.KubeVersion.Version }}
matchConditions:
  - name: mirrors-no-file-of-a-node
    expression: >-
      !has(object.metadata.annotations) || !("kubernetes.io/config.mirror" in object.metadata.annotations)
  - name: has-not-opted-out
    expression: >-
      !has(object.metadata.labels) || !("job-profiler.liqo.io/ignore" in object.metadata.labels) ||
      object.metadata.labels["job-profiler.liqo.io/ignore"] != "true"
{{- end }}
{{- end }}

{{/* From 1.21 on every namespace has a label with its own name. */}}
{{- define "job-profiler.namespacesBearNames" -}}
{{- if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{/* Where the API server finds the webhook. */}}
{{- define "job-profiler.clientConfig" -}}
{{- if .Values.webhook.url -}}
url: {{ .Values.webhook.url | quote }}
{{- else -}}
service:
  name: {{ include "job-profiler.fullname" . }}-webhook
  namespace: {{ .Release.Namespace | quote }}
  path: /mutate
  port: 443
{{- end }}
{{- end }}
