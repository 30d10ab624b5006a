{{/* Rejects values that conflict with each other, which the schema can't detect. */}}
{{- define "oxen-operator.validate" -}}
{{- $moved := list }}
{{- range list "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "terminationGracePeriodSeconds" }}
{{- /* A copy of the whole values.yaml of an earlier chart contains empty ones. */}}
{{- if not (has (get $.Values . | toJson) (list `""` "{}" "[]")) }}
{{- $moved = append $moved (printf "%s has moved: set podSpec.%s instead" . .) }}
{{- end }}
{{- end }}
{{- if $moved }}
{{- fail (printf "%s (see docs/upgrade.md)" (join "; " $moved)) }}
{{- end }}
{{- with .Values }}
{{- if and .fullnameOverride (not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" .fullnameOverride)) }}
{{- fail (printf "fullnameOverride is %q, which is not a valid Service name: use at most 63 characters from a-z, 0-9 and '-', beginning with a letter and not ending with '-'" .fullnameOverride) }}
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

{{/* Rejects peers of the NetworkPolicy that restrict nothing, because rules without addresses open
all their ports to every address. */}}
{{- define "oxen-operator.validatePolicy" -}}
{{- $policy := .Values.networkPolicy }}
{{- $hub := dict "name" "hub" "to" $policy.hub.to "ports" (include "oxen-operator.hubPorts" . | splitList " ") }}
{{- $api := dict "name" "apiServer" "to" $policy.apiServer.to "ports" (toStrings $policy.apiServer.ports) }}
{{- $dns := dict "name" "dns" "to" $policy.dns.to "ports" (toStrings $policy.dns.ports) }}
{{- range $rule := $policy.enabled | ternary (list $hub $api) list }}
{{- $open := list }}
{{- $closed := $rule.ports }}
{{- range $port := empty $rule.to | ternary list $rule.ports }}
{{- range list $hub $api $dns }}
{{- if and (not .to) (has $port .ports) }}
{{- $open = append $open .name }}
{{- $closed = without $closed $port }}
{{- end }}
{{- end }}
{{- if include "oxen-operator.opens" (dict "rules" $policy.extraEgress "port" (int $port)) }}
{{- $open = append $open "extraEgress" }}
{{- $closed = without $closed $port }}
{{- end }}
{{- end }}
{{- if and $rule.to (not $closed) }}
{{- fail (printf "networkPolicy.%s.to restricts nothing, because rules without addresses open the same ports to every address: set `to` for networkPolicy.%s too, or for none of them" $rule.name (uniq $open | join " and networkPolicy.")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" if one of the egress rules `rules` opens the TCP port `port` to every address, and nothing
otherwise. */}}
{{- define "oxen-operator.opens" -}}
{{- $opens := false }}
{{- range .rules }}
{{- range .to | empty | ternary (.ports | default (list dict)) list }}
{{- $from := .port | default 1 }}
{{- $to := .endPort | default .port | default 65535 }}
{{- $covers := and (le (int $from) $.port) (ge (int $to) $.port) }}
{{- if and $covers (not (kindIs "string" $from)) (eq (.protocol | default "TCP") "TCP") }}
{{- $opens = true }}
{{- end }}
{{- end }}
{{- end }}
{{- if $opens }}true{{ end }}
{{- end }}

{{/* Rejects a Deployment that can't do its work or is not safe, after podSpec and deployment were
merged over it. */}}
{{- define "oxen-operator.validateDeployment" -}}
{{- $rendered := include "oxen-operator.baseDeployment" .root | fromYaml }}
{{- range list "apiVersion" "kind" "metadata.name" "metadata.namespace" "spec.replicas" "spec.selector" }}
{{- $before := $rendered }}
{{- $after := $.deployment }}
{{- range splitList "." . }}
{{- $before = get $before . }}
{{- $after = get (kindIs "map" $after | ternary $after dict) . }}
{{- end }}
{{- if ne (toJson $before) (toJson $after) }}
{{- fail (printf "deployment.%s can't be changed, because other objects of the chart depend on it%s" . (eq . "spec.replicas" | ternary ": use the value replicas" "")) }}
{{- end }}
{{- end }}
{{- if and (not .root.Values.leaderElection.enabled) (ne (dig "spec" "strategy" "type" "" .deployment) "Recreate") }}
{{- fail "leaderElection.enabled is false, and deployment.spec.strategy is not Recreate, so two pods would make calls at the same time during an upgrade" }}
{{- end }}
{{- $spec := dig "spec" "template" "spec" dict .deployment }}
{{- $operator := dict }}
{{- range $spec.containers }}
{{- if eq .name "operator" }}
{{- $operator = . }}
{{- end }}
{{- end }}
{{- range concat ($spec.initContainers | default list) ($spec.containers | default list) }}
{{- range .env }}
{{- if eq .name "OXEN_API_KEY" }}
{{- fail "the environment variable OXEN_API_KEY is not allowed: create a Secret with the key, name it in operatorKey.existingSecret.name, and list the namespaces that may use it in operatorKey.namespaces" }}
{{- end }}
{{- end }}
{{- end }}
{{- if not $operator }}
{{- fail "podSpec or deployment removes the operator's container: use the name operator for it" }}
{{- end }}
{{- if ne (get $spec "serviceAccountName" | toString) (include "oxen-operator.serviceAccountName" .root) }}
{{- fail "podSpec or deployment changes serviceAccountName, but the chart grants permissions only to the ServiceAccount of its own values: use serviceAccount.name" }}
{{- end }}
{{- include "oxen-operator.validateElection" (dict "enabled" .root.Values.leaderElection.enabled "operator" $operator) }}
{{- end }}

{{/* Rejects an operator's container that doesn't elect a leader as leaderElection.enabled says: the
chart allows several replicas only with a leader. */}}
{{- define "oxen-operator.validateElection" -}}
{{- $elects := "" }}
{{- range .operator.env }}
{{- if eq .name "OXEN_LEADER_ELECT" }}
{{- $elects = get . "value" | toString }}
{{- end }}
{{- end }}
{{- if ne $elects (toString .enabled) }}
{{- fail "the environment variable OXEN_LEADER_ELECT of the operator's container can't be changed or removed: use leaderElection.enabled" }}
{{- end }}
{{- range concat (.operator.command | default list) (.operator.args | default list) }}
{{- if regexMatch "^--leader-elect" . }}
{{- fail "the argument --leader-elect is not allowed: use leaderElection.enabled" }}
{{- end }}
{{- end }}
{{- end }}
