{{/*
Rules and selectors of the Pods that the API server sends to the webhook. Rendered twice: into the webhook
configuration, and into the settings of the self-probe, which compares the live configuration with them.
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
    {{- /* Without the name label no namespace would match; the webhook then checks the request's namespace itself. */}}
    {{- if and .Values.profiling.namespaces (include "job-profiler.namespacesHaveNameLabel" .) }}
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
{{- /* Pods with annotations are not left out: a forged annotation must be replaced. */}}
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

{{/* True if namespaces have the label kubernetes.io/metadata.name (Kubernetes 1.21 and newer). */}}
{{- define "job-profiler.namespacesHaveNameLabel" -}}
{{- if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{/* Address of the webhook for the API server. */}}
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
