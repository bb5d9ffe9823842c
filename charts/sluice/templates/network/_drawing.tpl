{{/* Who speaks with whom: the rules of each component, beyond what all have. Each takes the root. */}}

{{- define "sluice.rules.ingress.in" }}
- ports:
    {{- range (include "sluice.listeners" . | fromJson).listeners }}
    - { port: {{ .containerPort }} }
    {{- end }}
  {{- with .Values.networkPolicy.clients }}
  from:
    {{- toYaml . | nindent 4 }}
    {{- if $.Values.test.enabled }}
    {{- include "sluice.peer" (dict "root" $ "component" "test") | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "sluice.rules.delivery-agent.out" }}
{{- if include "sluice.keepsMail" . }}
- ports: [{ port: 2424 }]
  to:
    {{- include "sluice.peer" (dict "root" . "component" "mailbox") | nindent 4 }}
{{- end }}
{{- $farEnds := include "sluice.farEndPorts" . | fromJson }}
{{- if or $farEnds.any $farEnds.ports }}
- ports:
    {{- if $farEnds.any }}
    - { protocol: TCP }
    {{- else }}
    {{- range $farEnds.ports }}
    - { port: {{ . }} }
    {{- end }}
    {{- end }}
  {{- with .Values.networkPolicy.farEnds }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if .Values.test.enabled }}
- ports: [{ port: 2525 }]
  to:
    {{- include "sluice.peer" (dict "root" . "component" "test") | nindent 4 }}
{{- end }}
{{- end }}

{{- define "sluice.rules.mailbox.in" }}
- ports: [{ port: 2424 }]
  from:
    {{- include "sluice.peer" (dict "root" . "component" "delivery-agent") | nindent 4 }}
{{- end }}

{{/* `extraIngress` and `extraEgress` are for sidecars, too, such as an exporter of Redis' figures. */}}
{{- define "sluice.rules.redis.in" }}
- ports: [{ port: 6379 }]
  from:
    {{- range list "ingress" "spooler" "delivery-agent" }}
    {{- include "sluice.peer" (dict "root" $ "component" .) | nindent 4 }}
    {{- end }}
{{- with .Values.networkPolicy.extraIngress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sluice.rules.redis.out" }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sluice.rules.test.in" }}
- ports: [{ port: 2525 }]
  from:
    {{- include "sluice.peer" (dict "root" . "component" "delivery-agent") | nindent 4 }}
{{- end }}

{{- define "sluice.rules.test.out" }}
- ports: [{ port: 2525 }]
  to:
    {{- include "sluice.peer" (dict "root" . "component" "ingress") | nindent 4 }}
{{- end }}
