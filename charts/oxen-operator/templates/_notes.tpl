{{/* The ports on which the NetworkPolicy lets the pods connect to every address. */}}
{{- define "oxen-operator.openPorts" -}}
{{- $ports := list }}
{{- with .Values.networkPolicy }}
{{- if not .dns.to }}
{{- $ports = concat $ports .dns.ports }}
{{- end }}
{{- if not .apiServer.to }}
{{- $ports = concat $ports .apiServer.ports }}
{{- end }}
{{- if not .hub.to }}
{{- $ports = include "oxen-operator.hubPorts" $ | splitList " " | concat $ports }}
{{- end }}
{{- if .enabled }}
{{- toStrings $ports | uniq | join ", " }}
{{- end }}
{{- end }}
{{- end }}
