{{/* The settings of the default security contexts that the operator's container lacks, after
podSpec and deployment were merged. Nothing if there are none. */}}
{{- define "oxen-operator.missingSecurity" -}}
{{- $pod := include "oxen-operator.deployment" . | fromYaml | dig "spec" "template" "spec" dict }}
{{- $own := dict }}
{{- range $pod.containers }}
{{- if eq .name "operator" }}
{{- $own = .securityContext | default dict }}
{{- end }}
{{- end }}
{{- /* A container's own setting takes precedence over the pod's. */}}
{{- $both := $pod.securityContext | default dict | deepCopy }}
{{- include "oxen-operator.merge" (dict "into" $both "from" (deepCopy $own)) }}
{{- $missing := list }}
{{- if not $both.runAsNonRoot }}
{{- $missing = append $missing "runAsNonRoot" }}
{{- end }}
{{- if eq (dig "seccompProfile" "type" "Unconfined" $both) "Unconfined" }}
{{- $missing = append $missing "seccompProfile" }}
{{- end }}
{{- if $own.allowPrivilegeEscalation | default (not (hasKey $own "allowPrivilegeEscalation")) }}
{{- $missing = append $missing "allowPrivilegeEscalation" }}
{{- end }}
{{- if not $own.readOnlyRootFilesystem }}
{{- $missing = append $missing "readOnlyRootFilesystem" }}
{{- end }}
{{- if not (has "ALL" (dig "capabilities" "drop" list $own)) }}
{{- $missing = append $missing "capabilities" }}
{{- end }}
{{- join ", " $missing }}
{{- end }}

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
