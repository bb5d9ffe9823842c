{{/* The volume `data` of a StatefulSet. It outlives the release. Takes root, component and persistence. */}}
{{- define "sluice.volumeClaim" -}}
{{- if and .persistence.enabled (not .persistence.existingClaim) -}}
persistentVolumeClaimRetentionPolicy: { whenDeleted: Retain, whenScaled: Retain }
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
      labels:
        {{- include "sluice.selectorLabels" . | nindent 8 }}
      {{- with .persistence.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      accessModes:
        {{- toYaml .persistence.accessModes | nindent 8 }}
      {{- with .persistence.storageClass }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources:
        requests: { storage: {{ .persistence.size | quote }} }
{{- end -}}
{{- end -}}
