{{/* Names and labels. A component is one service of the gateway, or `redis`; its values stand under the same name in camelCase. */}}

{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of a component's objects. Takes root and component. */}}
{{- define "sluice.name" -}}
{{- printf "%s-%s" (include "sluice.fullname" .root) .component -}}
{{- end -}}

{{/* What a Service of this release is called from anywhere in the cluster. Takes root and component. */}}
{{- define "sluice.host" -}}
{{- printf "%s.%s.svc.%s" (include "sluice.name" .) .root.Release.Namespace .root.Values.clusterDomain -}}
{{- end -}}

{{/* What selects the pods of a component; never changes between versions. Takes root and component. */}}
{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
Labels of pods: nothing that changes without a change of what runs, or every release of the chart would restart them. The chart's own
win over those of the values, since selectors go by them; `part-of` does not, since nothing does. Takes root and component, and
perhaps own and more: labels of the chart and of the values.
*/}}
{{- define "sluice.podLabels" -}}
{{- $own := merge (dict) (.own | default dict) (include "sluice.selectorLabels" . | fromYaml) -}}
{{- toYaml (merge $own (.more | default dict) (.root.Values.commonLabels | default dict) (dict "app.kubernetes.io/part-of" "sluice")) -}}
{{- end -}}

{{- define "sluice.labels" -}}
{{- $own := dict
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- include "sluice.podLabels" (dict "root" .root "component" .component "own" $own "more" .more) -}}
{{- end -}}

{{/* Name, namespace, labels and annotations of an object. Takes root, component, and name, annotations and more (labels) if they differ. */}}
{{- define "sluice.metadata" -}}
name: {{ .name | default (include "sluice.name" .) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "sluice.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* [REGISTRY/]REPOSITORY/SERVICE:TAG. Takes root, component and values. */}}
{{- define "sluice.image" -}}
{{- $image := .root.Values.image -}}
{{- if .values.image -}}
{{- .values.image -}}
{{- else -}}
{{- $tag := $image.tag | default .root.Chart.AppVersion -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}/{{ .component }}:{{ $tag }}
{{- end -}}
{{- end -}}
