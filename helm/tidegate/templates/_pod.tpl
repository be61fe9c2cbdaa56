{{/* What the pods of gateway and workers share. */}}

{{- define "tidegate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "tidegate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
privileged: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Secrets reach the programs by their environment only. Takes {root, settings}. */}}
{{- define "tidegate.environment" -}}
{{- $root := .root }}
{{- $keys := $root.Values.secretKeys }}
- name: TIDEGATE_CONFIG
  value: /etc/tidegate/tidegate.toml
{{- with $root.Values.existingSecret }}
{{- if not $root.Values.redis.trial }}
- name: TIDEGATE_REDIS_URL
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $keys.redisUrl }}, optional: {{ ne $root.Values.config.redis.url "redis://127.0.0.1:6379" }}}
{{- end }}
- name: TIDEGATE_TOKEN_SECRET
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $keys.tokenSecret }}, optional: true}
- name: TIDEGATE_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $keys.apiKey }}, optional: true}
- name: TIDEGATE_WEBHOOK_SECRET
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $keys.webhookSecret }}, optional: true}
{{- end }}
{{- with .settings.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The kubelet does not look at certificates, and shows none. Takes what the admin port shows, if it has TLS. */}}
{{- define "tidegate.probes" -}}
{{- $scheme := include "tidegate.adminScheme" . }}
{{- if and . (dig "client_ca" "" .) }}
{{- fail "config: with `client_ca` in `admin_tls` the kubelet could not probe, as it shows no certificate; leave it out, and let networkPolicy.metricsFrom say who may come" }}
{{- end }}
startupProbe:
  httpGet: {path: /startupz, port: admin, scheme: {{ $scheme }}}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /livez, port: admin, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{- define "tidegate.adminScheme" -}}
{{ if and . (dig "cert" "" .) }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* Where pods go. Takes {root, component, settings}. */}}
{{- define "tidegate.placement" -}}
{{- with .settings.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "tidegate.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{- define "tidegate.volumeMounts" -}}
- name: config
  mountPath: /etc/tidegate
  readOnly: true
{{- with .settings.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidegate.volumes" -}}
- name: config
  configMap:
    name: {{ include "tidegate.fullname" .root }}
{{- with .settings.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Another configuration makes other pods. */}}
{{- define "tidegate.podAnnotations" -}}
checksum/config: {{ include "tidegate.config" .root | sha256sum }}
{{- with .settings.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
