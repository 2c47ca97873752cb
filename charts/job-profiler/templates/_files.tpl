{{/*
Volumes of the Pods: the service account's token, and the certificates and credentials in the values. Every volume is
read-only, except /tmp in memory.
*/}}

{{/* Values of the trusted CAs by name (client, prometheus). Takes the root; returns a JSON object. */}}
{{- define "job-profiler.authorities" -}}
{{- dict "client" .Values.webhook.clientCa "prometheus" .Values.prometheus.auth.ca | toJson }}
{{- end }}

{{/* True if pem, configMap or secretName of a CA is set. Takes the CA's values. */}}
{{- define "job-profiler.isSet" -}}
{{- if or .pem .configMap .secretName }}true{{ end }}
{{- end }}

{{/* CAs with their certificates in the values (pem), as a JSON object of file to PEM text. */}}
{{- define "job-profiler.authorityFiles" -}}
{{- $files := dict }}
{{- range $name, $authority := include "job-profiler.authorities" . | fromJson }}
{{- if $authority.pem }}
{{- $_ := set $files (printf "%s.crt" $name) $authority.pem }}
{{- end }}
{{- end }}
{{- $files | toJson }}
{{- end }}

{{/* Volume of one CA with one file, ca.crt. Takes a dict of root, name and authority. */}}
{{- define "job-profiler.authorityVolume" -}}
- name: {{ .name }}-ca
  {{- with .authority }}
  {{- if .secretName }}
  secret:
    secretName: {{ .secretName | quote }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
  {{- else if .configMap }}
  configMap:
    name: {{ .configMap | quote }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
  {{- else }}
  configMap:
    name: {{ include "job-profiler.fullname" $.root }}-authorities
    items: [{key: {{ $.name }}.crt, path: ca.crt}]
  {{- end }}
  {{- end }}
{{- end }}

{{- define "job-profiler.tokenVolume" -}}
# Replaces the token that Kubernetes mounts: that one has 3607 seconds, which API servers extend to a year.
- name: token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
{{- end }}

{{/* Volumes of a component. Takes (list root component). */}}
{{- define "job-profiler.volumes" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 -}}
# In memory, since the webhook's private key is written to a file.
- name: temporary
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{ include "job-profiler.tokenVolume" $root }}
{{- if and (ne $component "profiler") (include "job-profiler.isSet" $root.Values.webhook.clientCa) }}
{{ include "job-profiler.authorityVolume" (dict "root" $root "name" "client" "authority" $root.Values.webhook.clientCa) }}
{{- end }}
{{- if ne $component "webhook" }}
{{- with $root.Values.prometheus.auth }}
{{- if include "job-profiler.isSet" .ca }}
{{ include "job-profiler.authorityVolume" (dict "root" $root "name" "prometheus" "authority" .ca) }}
{{- end }}
{{- with default .bearerTokenSecret .basicAuthSecret }}
- name: prometheus-credentials
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- with .tlsSecret }}
- name: prometheus-certificate
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with (index $root.Values $component).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Mounts of a component's volumes. Takes (list root component). */}}
{{- define "job-profiler.volumeMounts" -}}
{{- $component := index . 1 -}}
- name: temporary
  mountPath: /tmp
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- with (index . 0).Values }}
{{- if and (ne $component "profiler") (include "job-profiler.isSet" .webhook.clientCa) }}
- name: client-ca
  mountPath: /etc/job-profiler/client
  readOnly: true
{{- end }}
{{- if ne $component "webhook" }}
{{- if include "job-profiler.isSet" .prometheus.auth.ca }}
- name: prometheus-ca
  mountPath: /etc/job-profiler/prometheus-ca
  readOnly: true
{{- end }}
{{- if or .prometheus.auth.bearerTokenSecret .prometheus.auth.basicAuthSecret }}
- name: prometheus-credentials
  mountPath: /etc/job-profiler/prometheus-credentials
  readOnly: true
{{- end }}
{{- if .prometheus.auth.tlsSecret }}
- name: prometheus-certificate
  mountPath: /etc/job-profiler/prometheus-certificate
  readOnly: true
{{- end }}
{{- end }}
{{- with (index . $component).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}
