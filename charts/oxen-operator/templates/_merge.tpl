{{/* Merges the map `from` into the map `into`, in place. A map is merged field by field, and a list
of named items item by item: mounts by their path, all others by their name. Any other value is
replaced, and so is a map or list by an empty one. A field that is null is removed. */}}
{{- define "oxen-operator.merge" -}}
{{- range $key, $value := .from }}
{{- $by := eq $key "volumeMounts" | ternary "mountPath" "name" }}
{{- $old := get $.into $key }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $.into $key }}
{{- else if and $value (kindIs "map" $value) }}
{{- if not (kindIs "map" $old) }}
{{- $old = dict }}
{{- $_ := set $.into $key $old }}
{{- end }}
{{- include "oxen-operator.merge" (dict "into" $old "from" $value) }}
{{- else if and $value (include "oxen-operator.named" (dict "list" $value "by" $by)) }}
{{- $items := list }}
{{- if include "oxen-operator.named" (dict "list" $old "by" $by) }}
{{- $items = $old }}
{{- end }}
{{- range $item := $value }}
{{- $same := dict }}
{{- range $items }}
{{- if eq (get . $by) (get $item $by) }}
{{- $same = . }}
{{- end }}
{{- end }}
{{- if not $same }}
{{- $items = append $items $same }}
{{- end }}
{{- include "oxen-operator.merge" (dict "into" $same "from" $item) }}
{{- end }}
{{- $_ := set $.into $key $items }}
{{- else }}
{{- $_ := set $.into $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" if `list` is a list of maps that all have the field `by`, and nothing otherwise. */}}
{{- define "oxen-operator.named" -}}
{{- $named := kindIs "slice" .list }}
{{- range $named | ternary .list list }}
{{- if not (kindIs "map" .) }}
{{- $named = false }}
{{- else if not (hasKey . $.by) }}
{{- $named = false }}
{{- end }}
{{- end }}
{{- if $named }}true{{ end }}
{{- end }}
