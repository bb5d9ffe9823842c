{{/* Metadata with labels of its own, which come last. Takes what sluice.metadata takes, and labels. */}}
{{- define "sluice.monitoring.metadata" -}}
{{- $metadata := include "sluice.metadata" . | fromYaml -}}
{{- toYaml (mergeOverwrite $metadata (dict "labels" (.labels | default dict))) -}}
{{- end -}}

{{/* What chooses the pods of this release that have figures. */}}
{{- define "sluice.monitoring.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
sluice/metrics: "true"
{{- end -}}

{{/* Figures have a label `service`, which must not give way to the name of a Kubernetes Service: alerts and dashboards go by it. */}}
{{- define "sluice.monitoring.endpoint" -}}
path: /metrics
honorLabels: true
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
