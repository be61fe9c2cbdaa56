{{/*
Values as TOML, whatever their keys: what is no section first, then sections, then repeated ones. Nulls and empty
lists are left out, as they mean the default. (Helm's own toToml writes whole numbers that came from a values file
as fractions.) Takes {path, table}.
*/}}
{{- define "tidegate.toml" -}}
{{- $path := .path }}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{- if not (kindIs "slice" $value) }}
{{ $key }} = {{ include "tidegate.tomlValue" $value }}
{{- else if and $value (not (kindIs "map" (first $value))) }}
{{ $key }} = [{{ range $at, $one := $value }}{{ if $at }}, {{ end }}{{ include "tidegate.tomlValue" $one }}{{ end }}]
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- $own := ternary $key (printf "%s.%s" $path $key) (eq $path "") }}
{{- if kindIs "map" $value }}

[{{ $own }}]
{{- include "tidegate.toml" (dict "path" $own "table" $value) }}
{{- else if kindIs "slice" $value }}
{{- range $value }}
{{- if kindIs "map" . }}

[[{{ $own }}]]
{{- include "tidegate.toml" (dict "path" $own "table" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidegate.tomlValue" -}}
{{- if eq (typeOf .) "json.Number" }}
{{- . }}
{{- else if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) }}
{{- if eq (float64 .) (floor .) }}{{ printf "%d" (int64 .) }}{{ else }}{{ . }}{{ end }}
{{- else }}
{{- toJson . }}
{{- end }}
{{- end }}

{{- define "tidegate.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if .Values.redis.trial }}
{{- $_ := set $config.redis "url" (printf "redis://%s-redis:6379" (include "tidegate.fullname" .)) }}
{{- end }}
{{- include "tidegate.toml" (dict "path" "" "table" $config) | trim }}
{{- end }}
