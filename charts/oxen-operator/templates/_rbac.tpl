{{/* The rules that the operator needs in each namespace it watches. */}}
{{- define "oxen-operator.rules" -}}
- apiGroups: [oxen.ai]
  resources: [oxenmodels]
  verbs: [get, list, watch, patch] # patch adds and removes the finalizer
- apiGroups: [oxen.ai]
  resources: [oxenmodels/status]
  verbs: [patch]
{{- if .Values.budgets.enabled }}
- apiGroups: [oxen.ai]
  resources: [oxenbudgets]
  verbs: [list, watch]
- apiGroups: [oxen.ai]
  resources: [oxenbudgets/status]
  verbs: [patch]
{{- end }}
{{- /* If resourceNames were empty, the rule would cover every Secret. */}}
{{- with .Values.secretNames }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get, list, watch]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch] # patch updates the count of a repeated event
{{- end }}

{{/* The subject of every binding: the operator's ServiceAccount. */}}
{{- define "oxen-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "oxen-operator.serviceAccountName" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
