{{/*
How many delivery-agents: sessions wanted / sessions per agent, rounded up, within the bounds. Sessions wanted are those that are open,
and those that are due and permitted; never the backlog: a site held at one message a second wants one session, whatever waits.
*/}}

{{/* Leaves room in each agent, so that more of them come before all are full. Takes the root. */}}
{{- define "sluice.sessionsPerAgent" -}}
{{- $delivery := .Values.config.delivery | default dict -}}
{{- .Values.deliveryAgent.autoscaling.sessionsPerAgent | default (max 1 (div (mul 80 ($delivery.sessions | default 50)) 100)) -}}
{{- end -}}
