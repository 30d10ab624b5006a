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

{{/* The settings that weaken the isolation of the pods, of the pods and of every container. Nothing
if there are none. */}}
{{- define "oxen-operator.weakSecurity" -}}
{{- $pod := include "oxen-operator.deployment" . | fromYaml | dig "spec" "template" "spec" dict }}
{{- $weak := list }}
{{- range list "hostNetwork" "hostPID" "hostIPC" }}
{{- if get $pod . }}
{{- $weak = append $weak . }}
{{- end }}
{{- end }}
{{- $contexts := list (dict "of" "" "context" ($pod.securityContext | default dict)) }}
{{- range concat ($pod.initContainers | default list) ($pod.containers | default list) }}
{{- $contexts = append $contexts (dict "of" (printf " in the container %s" .name) "context" (.securityContext | default dict)) }}
{{- end }}
{{- range $contexts }}
{{- $of := .of }}
{{- $context := .context }}
{{- $found := list }}
{{- if $context.privileged }}
{{- $found = append $found "privileged" }}
{{- end }}
{{- if dig "capabilities" "add" list $context }}
{{- $found = append $found "capabilities.add" }}
{{- end }}
{{- if and (hasKey $context "runAsUser") (eq (int $context.runAsUser) 0) }}
{{- $found = append $found "runAsUser: 0" }}
{{- end }}
{{- if and (hasKey $context "runAsNonRoot") (not $context.runAsNonRoot) }}
{{- $found = append $found "runAsNonRoot: false" }}
{{- end }}
{{- range $found }}
{{- $weak = append $weak (printf "%s%s" . $of) }}
{{- end }}
{{- end }}
{{- join ", " $weak }}
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
{{- range .extraEgress }}
{{- if and (not .to) (not .ports) }}
{{- $ports = append $ports "all" }}
{{- else if not .to }}
{{- range .ports }}
{{- $protocol := .protocol | default "TCP" }}
{{- $range := .endPort | empty | ternary (toString .port) (printf "%v-%v" .port .endPort) }}
{{- $range = .port | empty | ternary "all" $range }}
{{- $ports = append $ports (and (not (empty .port)) (eq $protocol "TCP") | ternary $range (printf "%s/%s" $range $protocol)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .enabled }}
{{- toStrings $ports | uniq | join ", " }}
{{- end }}
{{- end }}
{{- end }}
