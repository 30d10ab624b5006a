{{/* What the operator does with objects, in each namespace that it watches. */}}
{{- define "oxen-operator.rules" -}}
- apiGroups: [oxen.ai]
  resources: [oxenmodels]
  verbs: [get, list, watch, patch] # patch: the finalizer
- apiGroups: [oxen.ai]
  resources: [oxenmodels/status]
  verbs: [patch]
{{- /* Without names, the rule would cover every Secret. */}}
{{- with .Values.secretNames }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get, list, watch]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch] # patch: an event that repeats
{{- end }}

{{/* Whom the Roles are bound to. */}}
{{- define "oxen-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "oxen-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
