{{- define "oxen-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "oxen-operator.fullname" -}}
{{- $name := include "oxen-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What all pods of the release have in common: the operator's and the test's. */}}
{{- define "oxen-operator.releaseLabels" -}}
app.kubernetes.io/name: {{ include "oxen-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The operator's pods alone. A selector can't be changed later, so nothing else belongs here. */}}
{{- define "oxen-operator.selectorLabels" -}}
{{ include "oxen-operator.releaseLabels" . }}
app.kubernetes.io/component: controller
{{- end }}

{{/* Labels of every object. The chart's own win, so that a label of the same name is never there twice. */}}
{{- define "oxen-operator.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "oxen-operator" }}
{{- merge $own (include "oxen-operator.releaseLabels" . | fromYaml) .Values.commonLabels | toYaml }}
{{- end }}

{{/* Without the chart's version, so that a pod is replaced only when something about it changes. */}}
{{- define "oxen-operator.podLabels" -}}
{{- merge (include "oxen-operator.selectorLabels" . | fromYaml) .Values.podLabels .Values.commonLabels | toYaml }}
{{- end }}

{{- define "oxen-operator.serviceAccountName" -}}
{{- default (include "oxen-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "oxen-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port that requests to the hub go to: the proxy's, where there is one. */}}
{{- define "oxen-operator.hubPort" -}}
{{- $url := urlParse (default .Values.hub.url .Values.hub.proxy) }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}

{{/* What no schema can say: values that are fine by themselves and don't go together. */}}
{{- define "oxen-operator.validate" -}}
{{- with .Values }}
{{- if and (not .leaderElection.enabled) (gt (int .replicas) 1) }}
{{- fail (printf "replicas is %d and leaderElection.enabled is false: all replicas would work at once; set leaderElection.enabled to true, or replicas to 1" (int .replicas)) }}
{{- end }}
{{- if and .operatorKey.namespaces (not .operatorKey.existingSecret.name) }}
{{- fail "operatorKey.namespaces lists who may use the operator's own key, and there is none: create a Secret with the key and name it in operatorKey.existingSecret.name" }}
{{- end }}
{{- range without (.operatorKey.namespaces | default list) "*" }}
{{- if and $.Values.namespaces (not (has . $.Values.namespaces)) }}
{{- fail (printf "operatorKey.namespaces lists %s, which the operator doesn't watch: add it to namespaces, or take it out" .) }}
{{- end }}
{{- end }}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the ServiceAccount that the operator runs as, or set serviceAccount.create to true" }}
{{- end }}
{{- end }}
{{- $set := list }}
{{- range include "oxen-operator.env" . | fromYamlArray }}
{{- $set = append $set .name }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if eq .name "OXEN_API_KEY" }}
{{- fail "extraEnv: OXEN_API_KEY is not taken: create a Secret with the key, name it in operatorKey.existingSecret.name, and list who may use it in operatorKey.namespaces" }}
{{- else if has .name $set }}
{{- fail (printf "extraEnv: %s is set by the chart already: use the value that stands for it (see the chart's values.yaml)" .name) }}
{{- end }}
{{- end }}
{{- end }}
