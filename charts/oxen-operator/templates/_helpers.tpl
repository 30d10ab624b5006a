{{- define "oxen-operator.name" -}}
{{- include "oxen-operator.truncate" (default .Chart.Name .Values.nameOverride) }}
{{- end }}

{{/* The first 63 characters of a name. A name and the value of a label may end only with a letter or
a digit. */}}
{{- define "oxen-operator.truncate" -}}
{{- regexReplaceAll "[-_.]+$" (trunc 63 .) "" }}
{{- end }}

{{/* The name that the names of all objects begin with. The name of a release may begin with a digit
or contain a dot, but the name of a Service may not. */}}
{{- define "oxen-operator.fullname" -}}
{{- $name := include "oxen-operator.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- if regexMatch "^[0-9]" $full }}
{{- $full = printf "%s-%s" .Chart.Name .Release.Name }}
{{- end }}
{{- .Values.fullnameOverride | default (include "oxen-operator.truncate" ($full | replace "." "-")) }}
{{- end }}

{{/* The labels that the operator's pods and the test pod share. */}}
{{- define "oxen-operator.releaseLabels" -}}
app.kubernetes.io/name: {{ include "oxen-operator.name" . | quote }}
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
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | include "oxen-operator.truncate")
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

{{/* The destination ports of hub requests, with a space between two: by default the proxy's port if
there is a proxy. */}}
{{- define "oxen-operator.hubPorts" -}}
{{- $url := urlParse (default .Values.hub.url .Values.hub.proxy) }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port = $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- .Values.networkPolicy.hub.ports | default (list $port) | join " " }}
{{- end }}
