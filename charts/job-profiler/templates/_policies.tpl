{{/*
Limits on writes of the profiler's service account that RBAC can't express: variables and validations of a
ValidatingAdmissionPolicy, for one resource each. Expressions for CEL compare fields by name: a field that a newer API
adds is compared only after it is named here, and a test reads the API server's schema to find such fields.
*/}}

{{/* True if the API server has ValidatingAdmissionPolicy (Kubernetes 1.30 and newer). */}}
{{- define "job-profiler.limitsWrites" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" }}true{{ end }}
{{- end }}

{{/* True in CEL if the fields of two objects are equal. Takes (list object former fields); a?.b is written "a.?b". */}}
{{- define "job-profiler.same" -}}
{{- $compared := list }}
{{- $object := index . 0 }}
{{- $former := index . 1 }}
{{- range index . 2 }}
{{- $compared = append $compared (printf "%s.?%s == %s.?%s" $object . $former .) }}
{{- end }}
{{- join " &&\n" $compared }}
{{- end }}

{{/* True in CEL if metadata is equal, but for what the API server sets itself and the given fields (a list). */}}
{{- define "job-profiler.sameMetadataBut" -}}
{{- $fields := list }}
{{- range list "annotations" "creationTimestamp" "deletionGracePeriodSeconds" "deletionTimestamp" "finalizers" "generateName" "labels" "name" "namespace" "ownerReferences" "selfLink" "uid" }}
{{- if not (has . $) }}
{{- $fields = append $fields . }}
{{- end }}
{{- end }}
{{- include "job-profiler.same" (list "object.metadata" "oldObject.metadata" $fields) }}
{{- end }}

{{/*
Pods: only the annotations that name profiles, with such names, in namespaces and on Pods that don't opt out. Three digits
number the 1,000 connections that maxConnections allows at most; more would leave no room for annotations of others.
CEL needs seconds for the annotations of a Pod with tens of thousands, and API servers end a request after 34: there they
are not compared, so that forged ones can be removed. Who created such a Pod decides on its annotations anyway, and this
account can't create one: the annotations that it may add are 1,002.
*/}}
{{- define "job-profiler.limits.backfill" -}}
variables:
  - name: before
    expression: oldObject.metadata.?annotations.orValue({})
  - name: after
    expression: object.metadata.?annotations.orValue({})
  - name: tooManyToCompare
    expression: variables.before.size() > 5000
validations:
  - expression: '!(request.namespace in {{ include "job-profiler.excludedNamespaces" . }})'
    message: the profiler may not change Pods in excluded namespaces
  - expression: >-
      object.metadata.?labels[?"job-profiler.liqo.io/ignore"].orValue("") != "true" &&
      namespaceObject.metadata.?labels[?"job-profiler.liqo.io/ignore"].orValue("") != "true"
    message: the profiler may not change Pods that opted out, or whose namespace did
  - expression: >-
      variables.tooManyToCompare ||
      variables.after.all(key, (key in variables.before && variables.before[key] == variables.after[key]) ||
      (key + "=" + variables.after[key]).matches(
      "^liqo[.]io/(cpuProfile=cpu|memoryProfile=mem|connectionProfile[0-9]{1,3}=conn)profile-[0-9a-f]{40}$"))
    message: the profiler may set only the annotations that name profiles, to names of profiles
  # A summary of requests that a resize made wrong is removed.
  - expression: >-
      variables.tooManyToCompare ||
      variables.before.all(key, key in variables.after || key == "job-profiler.liqo.io/requests" ||
      key.matches("^liqo[.]io/(cpuProfile|memoryProfile|connectionProfile[0-9]+)$"))
    message: the profiler may remove only the annotations that name profiles, and the summary of requests
  - expression: >-
      {{- include "job-profiler.sameMetadataBut" (list "annotations") | nindent 6 }}
    message: the profiler may change only annotations in the metadata of a Pod
  - expression: >-
      {{- include "job-profiler.same" (list "object" "oldObject" (list "spec" "status")) | nindent 6 }}
    message: the profiler may not change the spec or the status of a Pod
{{- end }}

{{/*
ConfigMaps: check-points, data of the status, and dry runs of the self-probe. Other controllers act on labels and
annotations of ConfigMaps, and the garbage collector on owners.
*/}}
{{- define "job-profiler.limits.configmaps" -}}
variables:
  - name: target
    expression: 'request.operation == "DELETE" ? oldObject : object'
  # A ConfigMap created with generateName may have no name yet.
  - name: name
    expression: variables.target.metadata.?name.orValue(variables.target.metadata.?generateName.orValue(""))
validations:
  - expression: >-
      variables.name.startsWith("job-profiler-checkpoint-") ||
      (request.operation == "UPDATE" && variables.name == "job-profiler-status") ||
      (request.operation == "CREATE" && request.dryRun && variables.name.startsWith("job-profiler-probe-"))
    message: the profiler may write only the ConfigMaps job-profiler-checkpoint-... and job-profiler-status
  - expression: >-
      request.operation == "DELETE" || !variables.name.startsWith("job-profiler-checkpoint-") ||
      (object.metadata.?labels.orValue({}).all(key,
      key in ["job-profiler.liqo.io/checkpoint", "app.kubernetes.io/part-of"]) &&
      object.metadata.?annotations.orValue({}).size() == 0 &&
      object.metadata.?finalizers.orValue([]).size() == 0 &&
      object.metadata.?ownerReferences.orValue([]).all(owner,
      owner.kind == "ConfigMap" && owner.name == "job-profiler-status") &&
      !object.?immutable.orValue(false) && object.?data.orValue({}).size() == 0 &&
      object.?binaryData.orValue({}).all(key, key == "checkpoint"))
    message: check-points have no other labels, annotations, owners, finalizers and data than the profiler's
  - expression: >-
      request.operation != "UPDATE" || variables.name != "job-profiler-status" || (
      {{- include "job-profiler.sameMetadataBut" list | nindent 6 }} &&
      {{- include "job-profiler.same" (list "object" "oldObject" (list "binaryData" "immutable")) | nindent 6 }})
    message: the profiler may change only the data of job-profiler-status
{{- end }}

{{/* Secrets: only the data, since other controllers act on labels and annotations of Secrets. */}}
{{- define "job-profiler.limits.secrets" -}}
validations:
  - expression: >-
      {{- include "job-profiler.sameMetadataBut" list | nindent 6 }} &&
      {{- include "job-profiler.same" (list "object" "oldObject" (list "immutable" "stringData" "type")) | nindent 6 }}
    message: the profiler may change only the data of a Secret
{{- end }}

{{/*
Events: only in the profiler's own name, in its namespace and where Pods are profiled. A finalizer would keep the namespace
from being deleted, an owner would wait for the Event. The fields are those of core/v1, to which API servers convert other
versions; dyn keeps the types of these versions out of the check of types.
*/}}
{{- define "job-profiler.limits.events" -}}
validations:
  - expression: >-
      dyn(object).?source.?component.orValue("") == "job-profiler" &&
      dyn(object).?reportingComponent.orValue("") in ["", "job-profiler"]
    message: the profiler may create Events only in its own name
  - expression: >-
      request.namespace == "{{ .Release.Namespace }}" ||
      !(request.namespace in {{ include "job-profiler.excludedNamespaces" . }})
    message: the profiler may not create Events in excluded namespaces
  - expression: >-
      object.metadata.?finalizers.orValue([]).size() == 0 && object.metadata.?ownerReferences.orValue([]).size() == 0
    message: the profiler may not create Events with finalizers or owners
{{- end }}

{{/* The webhook configuration: only caBundle of the two webhooks of the release. */}}
{{- define "job-profiler.limits.ca-bundle" -}}
variables:
  - name: before
    expression: oldObject.?webhooks.orValue([])
  - name: after
    expression: object.?webhooks.orValue([])
validations:
  - expression: >-
      {{- include "job-profiler.sameMetadataBut" list | nindent 6 }}
    message: the profiler may not change the metadata of the webhook configuration
  # Names are unique: below, a webhook is compared with the former one of its name.
  - expression: variables.after.map(webhook, webhook.name) == variables.before.map(webhook, webhook.name)
    message: the profiler may not add, remove or reorder webhooks
  - expression: >-
      variables.after.all(webhook, variables.before.exists(former,
      {{- include "job-profiler.same" (list "webhook" "former" (list "name" "admissionReviewVersions" "clientConfig.?service" "clientConfig.?url" "failurePolicy" "matchConditions" "matchPolicy" "namespaceSelector" "objectSelector" "reinvocationPolicy" "rules" "sideEffects" "timeoutSeconds")) | nindent 6 }}))
    message: the profiler may change only caBundle of a webhook
  - expression: >-
      variables.after.all(webhook,
      webhook.name in ["pods.job-profiler.liqo.io", "probe.job-profiler.liqo.io"] ||
      variables.before.exists(former,
      {{- include "job-profiler.same" (list "webhook" "former" (list "name" "clientConfig.?caBundle")) | nindent 6 }}))
    message: the profiler may change caBundle only of the webhooks of the release
{{- end }}

{{/*
A ValidatingAdmissionPolicy that enforces these limits on the profiler's service account, and its binding. Takes a dict
of root, limits, group, resource, operations and scope.
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
      - apiGroups: [{{ .group | default "" | quote }}]
        apiVersions: [v1]
        operations: {{ toJson .operations }}
        resources: [{{ .resource }}]
        scope: {{ .scope | default "Namespaced" }}
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
