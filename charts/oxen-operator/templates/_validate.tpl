{{/* Rejects values that conflict with each other, which the schema can't detect. */}}
{{- define "oxen-operator.validate" -}}
{{- range list "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "terminationGracePeriodSeconds" }}
{{- if hasKey $.Values . }}
{{- fail (printf "%s is no value of its own any more: write it as podSpec.%s (see docs/upgrade.md)" . .) }}
{{- end }}
{{- end }}
{{- with .Values }}
{{- if and .fullnameOverride (not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" .fullnameOverride)) }}
{{- fail (printf "fullnameOverride is %q, which is no name for a Service: use at most 63 of a-z, 0-9 and -, begin with a letter, and don't end with -" .fullnameOverride) }}
{{- end }}
{{- if and (not .leaderElection.enabled) (gt (int .replicas) 1) }}
{{- fail (printf "replicas is %d and leaderElection.enabled is false, so all replicas would make calls at the same time: set leaderElection.enabled to true, or replicas to 1" (int .replicas)) }}
{{- end }}
{{- if and .operatorKey.namespaces (not .operatorKey.existingSecret.name) }}
{{- fail "operatorKey.namespaces is set, but the operator has no API key of its own: create a Secret with the key and name it in operatorKey.existingSecret.name" }}
{{- end }}
{{- range without .operatorKey.namespaces "*" }}
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
{{- if has .name $set }}
{{- fail (printf "extraEnv: %s is already set by the chart: use the chart value for this setting instead (see values.yaml)" .name) }}
{{- end }}
{{- end }}
{{- include "oxen-operator.validatePolicy" . }}
{{- end }}

{{/* Rejects peers of the NetworkPolicy that restrict nothing, because another rule opens all their
ports to every address. */}}
{{- define "oxen-operator.validatePolicy" -}}
{{- $hub := dict "name" "hub" "to" .Values.networkPolicy.hub.to "ports" (include "oxen-operator.hubPorts" . | splitList " ") }}
{{- $api := dict "name" "apiServer" "to" .Values.networkPolicy.apiServer.to "ports" (toStrings .Values.networkPolicy.apiServer.ports) }}
{{- range list (list $hub $api) (list $api $hub) }}
{{- $rule := first . }}
{{- $open := last . }}
{{- $closed := $rule.ports }}
{{- range $open.ports }}
{{- $closed = without $closed . }}
{{- end }}
{{- if and $.Values.networkPolicy.enabled $rule.to (not $open.to) (not $closed) }}
{{- fail (printf "networkPolicy.%s.to restricts nothing, because networkPolicy.%s.to is empty and opens the same ports to every address: set both, or neither" $rule.name $open.name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Rejects a Deployment that can't do its work or is not safe, after podSpec and deployment were
merged over it. */}}
{{- define "oxen-operator.validateDeployment" -}}
{{- $changed := .root.Values.deployment }}
{{- range list "apiVersion" "kind" "metadata.name" "metadata.namespace" "spec.replicas" "spec.selector" }}
{{- $at := $changed }}
{{- range splitList "." . }}
{{- $at = kindIs "map" $at | ternary $at dict | dig . "" }}
{{- end }}
{{- if $at }}
{{- fail (printf "deployment.%s can't be changed, because other objects of the chart depend on it%s" . (eq . "spec.replicas" | ternary ": use the value replicas" "")) }}
{{- end }}
{{- end }}
{{- if and (not .root.Values.leaderElection.enabled) (ne (dig "spec" "strategy" "type" "" .deployment) "Recreate") }}
{{- fail "leaderElection.enabled is false, and deployment.spec.strategy is not Recreate, so two pods would make calls at the same time during an upgrade" }}
{{- end }}
{{- $names := list }}
{{- range dig "spec" "template" "spec" "containers" list .deployment }}
{{- $names = append $names .name }}
{{- range .env }}
{{- if eq .name "OXEN_API_KEY" }}
{{- fail "the environment variable OXEN_API_KEY is not allowed: create a Secret with the key, name it in operatorKey.existingSecret.name, and list the namespaces that may use it in operatorKey.namespaces" }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (has "operator" $names) }}
{{- fail "podSpec or deployment removes the operator's container: give each item of containers a name, and use the name operator for the operator's" }}
{{- end }}
{{- end }}
