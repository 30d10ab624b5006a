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

{{/* The labels that the operator's pods and the test pod share. */}}
{{- define "oxen-operator.releaseLabels" -}}
app.kubernetes.io/name: {{ include "oxen-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels that select the operator's pods and not the test pod. Never change them, because the
selector of a Deployment is immutable. */}}
{{- define "oxen-operator.selectorLabels" -}}
{{ include "oxen-operator.releaseLabels" . }}
app.kubernetes.io/component: controller
{{- end }}

{{/* The labels of every object. The chart's own labels take precedence over commonLabels, because a
duplicate key would make the manifest invalid. */}}
{{- define "oxen-operator.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "oxen-operator" }}
{{- merge $own (include "oxen-operator.releaseLabels" . | fromYaml) .Values.commonLabels | toYaml }}
{{- end }}

{{/* The labels of the operator's pods. The chart version is not one of them, because a new chart
version alone must not restart the pods. */}}
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

{{/* The destination port of hub requests: the proxy's port if there is a proxy. */}}
{{- define "oxen-operator.hubPort" -}}
{{- $url := urlParse (default .Values.hub.url .Values.hub.proxy) }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}

{{/* Rejects values that conflict with each other, which the schema can't detect. */}}
{{- define "oxen-operator.validate" -}}
{{- with .Values }}
{{- if and (not .leaderElection.enabled) (gt (int .replicas) 1) }}
{{- fail (printf "replicas is %d and leaderElection.enabled is false, so all replicas would make calls at the same time: set leaderElection.enabled to true, or replicas to 1" (int .replicas)) }}
{{- end }}
{{- if and .operatorKey.namespaces (not .operatorKey.existingSecret.name) }}
{{- fail "operatorKey.namespaces is set, but the operator has no API key of its own: create a Secret with the key and name it in operatorKey.existingSecret.name" }}
{{- end }}
{{- range without (.operatorKey.namespaces | default list) "*" }}
{{- if and $.Values.namespaces (not (has . $.Values.namespaces)) }}
{{- fail (printf "operatorKey.namespaces lists %s, which the operator does not watch: add it to namespaces, or remove it from operatorKey.namespaces" .) }}
{{- end }}
{{- end }}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: set serviceAccount.name to an existing ServiceAccount, or serviceAccount.create to true" }}
{{- end }}
{{- end }}
{{- $set := list }}
{{- range include "oxen-operator.env" . | fromYamlArray }}
{{- $set = append $set .name }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if eq .name "OXEN_API_KEY" }}
{{- fail "extraEnv: OXEN_API_KEY is not allowed: create a Secret with the key, name it in operatorKey.existingSecret.name, and list the namespaces that may use it in operatorKey.namespaces" }}
{{- else if has .name $set }}
{{- fail (printf "extraEnv: %s is already set by the chart: use the chart value for this setting instead (see values.yaml)" .name) }}
{{- end }}
{{- end }}
{{- end }}
