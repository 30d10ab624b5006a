{{/* The environment variables of the hub connection, for the operator and the test. */}}
{{- define "oxen-operator.hubEnv" -}}
- name: OXEN_BASE_URL
  value: {{ .Values.hub.url | quote }}
{{- with .Values.hub.proxy }}
- name: OXEN_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if .Values.hub.ca.configMapName }}
- name: OXEN_CA_FILE
  value: /etc/oxen-operator/ca/ca.crt
{{- end }}
{{- end }}

{{/* The path of the API key file. A file is used because a running pod sees a changed Secret in a
mounted file, but not in an environment variable. */}}
{{- define "oxen-operator.keyEnv" -}}
- name: OXEN_API_KEY_FILE
  value: /etc/oxen-operator/key/api-key
{{- end }}

{{/* The name and key of the Secret with the operator's own API key, or nothing if no namespace may
use that key. */}}
{{- define "oxen-operator.operatorKeySecret" -}}
{{- if .Values.operatorKey.namespaces }}
{{- toYaml .Values.operatorKey.existingSecret }}
{{- end }}
{{- end }}

{{/* The volumes of a pod. The argument is a dict with `root`, the root context, and `secret`, the
name and key of the Secret with the API key. `secret` may be empty. */}}
{{- define "oxen-operator.volumes" -}}
{{- with .secret }}
- name: key
  secret:
    secretName: {{ .name | quote }}
    # Without the Secret, the program starts and reports that the key is missing. When the Secret is
    # created, the file appears in the running pod.
    optional: true
    items:
      - key: {{ .key | quote }}
        path: api-key
{{- end }}
{{- with .root.Values.hub.ca }}
{{- if .configMapName }}
- name: ca
  configMap:
    name: {{ .configMapName | quote }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The mounts of these volumes. The argument is the same. */}}
{{- define "oxen-operator.volumeMounts" -}}
{{- if .secret }}
- name: key
  mountPath: /etc/oxen-operator/key
  readOnly: true
{{- end }}
{{- if .root.Values.hub.ca.configMapName }}
- name: ca
  mountPath: /etc/oxen-operator/ca
  readOnly: true
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The operator's environment variables. Numbers go through `int`, because a large number would
otherwise be rendered as 1e+06. */}}
{{- define "oxen-operator.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{ include "oxen-operator.hubEnv" . }}
- name: OXEN_HUB_RATE
  value: {{ .Values.hub.rate | int | quote }}
{{- with .Values.hub.requestTimeout }}
- name: OXEN_REQUEST_TIMEOUT
  value: {{ . | quote }}
{{- end }}
- name: OXEN_OBSERVE_ONLY
  value: {{ .Values.observeOnly | quote }}
- name: OXEN_DELETION_POLICY
  value: {{ .Values.deletionPolicy | quote }}
{{- with .Values.syncInterval }}
- name: OXEN_SYNC_INTERVAL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.unmanagedInterval }}
- name: OXEN_UNMANAGED_INTERVAL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.progressDeadline }}
- name: OXEN_PROGRESS_DEADLINE
  value: {{ . | quote }}
{{- end }}
- name: OXEN_BUDGETS
  value: {{ .Values.budgets.enabled | quote }}
- name: OXEN_SECRET_NAMES
  value: {{ join "," .Values.secretNames | quote }}
{{- with .Values.namespaces }}
- name: OXEN_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "oxen-operator.operatorKeySecret" . }}
{{ include "oxen-operator.keyEnv" . }}
- name: OXEN_OPERATOR_KEY_NAMESPACES
  value: {{ join "," .Values.operatorKey.namespaces | quote }}
{{- end }}
- name: OXEN_LEADER_ELECT
  value: {{ .Values.leaderElection.enabled | quote }}
- name: OXEN_LISTEN
  value: {{ printf "%s:%d" .Values.listenAddress (int .Values.port) | quote }}
- name: OXEN_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: RUST_LOG
  value: {{ .Values.log.level | quote }}
{{- end }}

{{/* The Secrets to pull the image with: the chart's own and the global ones. The global ones may be
plain strings, as some other charts write them. */}}
{{- define "oxen-operator.imagePullSecrets" -}}
{{- $names := list }}
{{- range concat .Values.imagePullSecrets .Values.global.imagePullSecrets }}
{{- $names = append $names (kindIs "map" . | ternary . (dict "name" .)) }}
{{- end }}
{{- with uniq $names }}
{{- toYaml . }}
{{- end }}
{{- end }}
