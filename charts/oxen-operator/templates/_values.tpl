{{/* Completes .Values in place: every template calls this first. Helm deletes a value that a user
sets to null, so a heading without lines below it would delete a whole section. For the chart's own
values, null means the default. For Kubernetes fields, null means empty. In podSpec and deployment,
null removes what the chart renders, so it is kept. */}}
{{- define "oxen-operator.prepare" -}}
{{- range $key, $value := .Values }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $.Values $key }}
{{- else if not (has $key (list "podSpec" "deployment")) }}
{{- include "oxen-operator.prune" $value }}
{{- end }}
{{- end }}
{{- include "oxen-operator.fill" (dict "into" .Values "from" (include "oxen-operator.defaults" . | fromYaml)) }}
{{- end }}

{{/* Deletes everything that is null from a map, in place. */}}
{{- define "oxen-operator.prune" -}}
{{- if kindIs "map" . }}
{{- range $key, $value := . }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $ $key }}
{{- else }}
{{- include "oxen-operator.prune" $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Sets what the map `into` lacks to what the map `from` has, in place. */}}
{{- define "oxen-operator.fill" -}}
{{- range $key, $value := .from }}
{{- if not (hasKey $.into $key) }}
{{- $_ := set $.into $key $value }}
{{- else if kindIs "map" $value }}
{{- include "oxen-operator.fill" (dict "into" (get $.into $key) "from" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Repeats the non-empty defaults of values.yaml, because a template can't read that file. A test
compares the two. Kubernetes fields are empty here. */}}
{{- define "oxen-operator.defaults" -}}
commonLabels: {}
image: {repository: ghcr.io/oxen-ai/oxen-operator, pullPolicy: IfNotPresent}
imagePullSecrets: []
global: {imagePullSecrets: []}
replicas: 1
leaderElection: {enabled: true}
observeOnly: false
deletionPolicy: Deactivate
syncInterval: 5m
unmanagedInterval: 15m
progressDeadline: 30m
namespaces: []
secretNames: [oxen-api-key]
budgets: {enabled: false}
hub:
  url: https://hub.oxen.ai
  rate: 50
  requestTimeout: 10s
  ca: {key: ca.crt}
operatorKey:
  existingSecret: {key: api-key}
  namespaces: []
log: {format: auto, level: info}
crds: {enabled: true, keep: true}
rbac: {create: true, aggregate: true}
serviceAccount: {create: true, labels: {}}
port: 8080
listenAddress: "[::]"
metrics: {service: {enabled: true, port: 8080}}
serviceMonitor: {enabled: false, labels: {}, honorLabels: true}
prometheusRule: {enabled: false, labels: {}}
dashboard: {enabled: false, labels: {}}
networkPolicy:
  enabled: false
  metrics: {}
  dns: {ports: [53, 5353]}
  apiServer: {ports: [443, 6443]}
  hub: {}
podDisruptionBudget: {enabled: true}
podLabels: {}
podAnnotations: {}
podSpec: {}
deployment: {}
test: {enabled: true, secretName: oxen-api-key, secretKey: api-key}
{{- end }}
