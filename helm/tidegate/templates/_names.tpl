{{/* Names and labels. Every name ends with its component, so that the longest one still fits into 63 characters. */}}
{{- define "tidegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "tidegate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "tidegate.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "tidegate.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a Service, a NetworkPolicy or a monitor finds pods by. Takes {root, component}. */}}
{{- define "tidegate.selector" -}}
app.kubernetes.io/name: {{ include "tidegate.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tidegate
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidegate.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The settings of one set of workers: its own over those of all. Takes {root, set}. */}}
{{- define "tidegate.workerSet" -}}
{{- mergeOverwrite (deepCopy .root.Values.worker) (deepCopy .set) | toJson }}
{{- end }}

{{- define "tidegate.serviceAccount" -}}
{{- $own := index .root.Values .account "serviceAccount" }}
{{- if $own.create }}
{{- default (printf "%s-%s" (include "tidegate.fullname" .root) .account) $own.name }}
{{- else }}
{{- default "default" $own.name }}
{{- end }}
{{- end }}

{{/* A port of the configuration, which names an address. */}}
{{- define "tidegate.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}
