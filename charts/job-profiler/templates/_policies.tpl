{{/*
Limits on writes of the profiler's service account that RBAC can't express: variables and validations of a
ValidatingAdmissionPolicy, for one resource each.
*/}}

{{/* Pods: only annotations liqo.io/... may change. */}}
{{- define "job-profiler.limits.backfill" -}}
variables:
  - name: before
    expression: "has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {}"
  - name: after
    expression: "has(object.metadata.annotations) ? object.metadata.annotations : {}"
validations:
  - expression: >-
      variables.after.all(key, key.startsWith("liqo.io/") ||
      (key in variables.before && variables.before[key] == variables.after[key]))
    message: the profiler may set only annotations liqo.io/...
  - expression: variables.before.all(key, key.startsWith("liqo.io/") || key in variables.after)
    message: the profiler may remove only annotations liqo.io/...
  - expression: object.spec == oldObject.spec
    message: the profiler may not change the spec of a Pod
  {{- range $field := list "labels" "ownerReferences" "finalizers" }}
  - expression: >-
      has(object.metadata.{{ $field }}) == has(oldObject.metadata.{{ $field }}) &&
      (!has(object.metadata.{{ $field }}) || object.metadata.{{ $field }} == oldObject.metadata.{{ $field }})
    message: the profiler may not change {{ $field }} of a Pod
  {{- end }}
{{- end }}

{{/* ConfigMaps: check-points, updates of the status, and dry runs of the self-probe. */}}
{{- define "job-profiler.limits.configmaps" -}}
variables:
  - name: target
    expression: 'request.operation == "DELETE" ? oldObject : object'
  # A ConfigMap created with generateName may have no name yet.
  - name: name
    expression: "has(variables.target.metadata.name) ? variables.target.metadata.name : variables.target.metadata.generateName"
validations:
  - expression: >-
      variables.name.startsWith("job-profiler-checkpoint-") ||
      (request.operation == "UPDATE" && variables.name == "job-profiler-status") ||
      (request.operation == "CREATE" && request.dryRun && variables.name.startsWith("job-profiler-probe-"))
    message: the profiler may write only the ConfigMaps job-profiler-checkpoint-... and job-profiler-status
{{- end }}

{{/*
A ValidatingAdmissionPolicy that enforces these limits on the profiler's service account, and its binding. Takes a dict
of root, limits, resource and operations.
*/}}
{{- define "job-profiler.policy" -}}
{{- $component := include "job-profiler.component" (list .root "profiler") }}
{{- $account := include "job-profiler.componentName" (list .root $component) }}
{{- $name := printf "%s-%s" (include "job-profiler.fullname" .root) .limits -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "job-profiler.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    matchPolicy: Equivalent
    namespaceSelector: {}
    objectSelector: {}
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: {{ toJson .operations }}
        resources: [{{ .resource }}]
        scope: Namespaced
  matchConditions:
    - name: by-the-profiler
      expression: request.userInfo.username == "system:serviceaccount:{{ .root.Release.Namespace }}:{{ $account }}"
  {{- include (printf "job-profiler.limits.%s" .limits) .root | nindent 2 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "job-profiler.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
{{- end }}
