{{/*
What the profiler's account may write where RBAC can't say it, as far as a policy states it for one resource: variables
and validations.
*/}}

{{/* Pods: annotations of the profiler's own and nothing else. */}}
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
    message: the profiler may set no annotations but liqo.io/...
  - expression: variables.before.all(key, key.startsWith("liqo.io/") || key in variables.after)
    message: the profiler may remove no annotations but liqo.io/...
  - expression: object.spec == oldObject.spec
    message: the profiler may not change the specification of a Pod
  {{- range $field := list "labels" "ownerReferences" "finalizers" }}
  - expression: >-
      has(object.metadata.{{ $field }}) == has(oldObject.metadata.{{ $field }}) &&
      (!has(object.metadata.{{ $field }}) || object.metadata.{{ $field }} == oldObject.metadata.{{ $field }})
    message: the profiler may not change {{ $field }} of a Pod
  {{- end }}
{{- end }}

{{/* ConfigMaps: check-points, the content of the status, and what the self-probe asks for and nobody stores. */}}
{{- define "job-profiler.limits.configmaps" -}}
variables:
  - name: target
    expression: 'request.operation == "DELETE" ? oldObject : object'
  # One that is created without a name may not have been given it yet.
  - name: name
    expression: "has(variables.target.metadata.name) ? variables.target.metadata.name : variables.target.metadata.generateName"
validations:
  - expression: >-
      variables.name.startsWith("job-profiler-checkpoint-") ||
      (request.operation == "UPDATE" && variables.name == "job-profiler-status") ||
      (request.operation == "CREATE" && request.dryRun && variables.name.startsWith("job-profiler-probe-"))
    message: the profiler may write no ConfigMaps but job-profiler-checkpoint-... and job-profiler-status
{{- end }}

{{/*
A policy that keeps the profiler's account to the limits of that name, and what makes API servers deny by it. Takes a
dict of root, limits, resource and operations.
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
