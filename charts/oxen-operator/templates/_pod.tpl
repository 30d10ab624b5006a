{{/* What operator and test share: how the hub is reached, and with which key. */}}

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

{{/* A file, since a changed Secret reaches a file in a running pod, and no environment variable. */}}
{{- define "oxen-operator.keyEnv" -}}
- name: OXEN_API_KEY_FILE
  value: /etc/oxen-operator/key/api-key
{{- end }}

{{/* The Secret with the operator's own key; nothing where it has none. */}}
{{- define "oxen-operator.ownKey" -}}
{{- if .Values.operatorKey.namespaces }}
{{- toYaml .Values.operatorKey.existingSecret }}
{{- end }}
{{- end }}

{{/* Takes the root and the key's Secret (name and key), which may be empty. */}}
{{- define "oxen-operator.volumes" -}}
{{- with .secret }}
- name: key
  secret:
    secretName: {{ .name | quote }}
    # Where it is missing, the program starts and says so; it appears in the running pod when it is created.
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

{{/* Takes the same. */}}
{{- define "oxen-operator.mounts" -}}
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

{{/* The operator's environment. Everything is a string, and a number must not turn into 1e+06. */}}
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
- name: OXEN_HUB_BURST
  value: {{ .Values.hub.burst | int | quote }}
- name: OXEN_IN_FLIGHT
  value: {{ .Values.hub.inFlight | int | quote }}
- name: OXEN_CONCURRENCY
  value: {{ .Values.concurrency | int | quote }}
- name: OXEN_OBSERVE_ONLY
  value: {{ .Values.observeOnly | quote }}
- name: OXEN_DELETION_POLICY
  value: {{ .Values.deletionPolicy | quote }}
- name: OXEN_SYNC_INTERVAL
  value: {{ .Values.syncInterval | quote }}
- name: OXEN_PROGRESS_DEADLINE
  value: {{ .Values.progressDeadline | quote }}
- name: OXEN_SECRET_NAMES
  value: {{ join "," .Values.secretNames | quote }}
{{- with .Values.namespaces }}
- name: OXEN_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "oxen-operator.ownKey" . }}
{{ include "oxen-operator.keyEnv" . }}
- name: OXEN_OPERATOR_KEY_NAMESPACES
  value: {{ join "," .Values.operatorKey.namespaces | quote }}
{{- end }}
- name: OXEN_LEADER_ELECT
  value: {{ .Values.leaderElection.enabled | quote }}
{{- if .Values.leaderElection.enabled }}
- name: OXEN_LEASE_NAMESPACE
  value: {{ .Release.Namespace | quote }}
{{- end }}
- name: OXEN_LISTEN
  value: {{ printf "%s:%d" .Values.listenAddress (int .Values.port) | quote }}
- name: OXEN_OBJECT_METRICS
  value: {{ .Values.metrics.perObject | quote }}
- name: OXEN_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: RUST_LOG
  value: {{ .Values.log.level | quote }}
{{- range $name, $duration := .Values.timing }}
{{- with $duration }}
- name: OXEN_{{ $name | snakecase | upper }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the pods may go, and from which registry. */}}
{{- define "oxen-operator.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
