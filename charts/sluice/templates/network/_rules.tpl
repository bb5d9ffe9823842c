{{/* Pieces of NetworkPolicies. */}}

{{/* Pods of a component of this release, as a peer. Takes root and component. */}}
{{- define "sluice.peer" -}}
- podSelector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* The port of an address, `host:port`, or of a URL; else the usual one. Takes address and usual. */}}
{{- define "sluice.port" -}}
{{- regexFind ":[0-9]+/?$" .address | trimPrefix ":" | trimSuffix "/" | default (toString .usual) -}}
{{- end -}}

{{/* Ports at which this release's mail is delivered, as JSON; null: any, since the config has one from the environment. Takes the root. */}}
{{- define "sluice.farEndPorts" -}}
{{- $ports := list -}}
{{- $any := false -}}
{{- range (include "sluice.directory" . | fromJson).routes -}}
{{- if eq .type "mx" -}}{{- $ports = append $ports 25 -}}{{- end -}}
{{- $usual := get (dict "smtp" 25 "lmtp" 24 "local" 24 "mx" 25) .type -}}
{{- if and (eq .type "smtp") (eq (.tls | default "") "implicit") -}}{{- $usual = 465 -}}{{- end -}}
{{- range .hosts -}}
{{- if contains "${" (toJson .) -}}
{{- $any = true -}}
{{- else if kindIs "map" . -}}
{{- $ports = append $ports (.port | default $usual | int) -}}
{{- else -}}
{{- $ports = append $ports (include "sluice.port" (dict "address" (toString .) "usual" $usual) | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "ports" (ternary nil ($ports | uniq | sortAlpha) $any) "any" $any) -}}
{{- end -}}

{{- define "sluice.rule.dns" -}}
{{- $ports := list "53" -}}
{{- range ((.Values.config.resolver | default dict).servers | default list) -}}
{{- $ports = append $ports (include "sluice.port" (dict "address" (toString .) "usual" 53)) -}}
{{- end -}}
- ports:
    {{- range $ports | uniq }}
    - { port: {{ . }}, protocol: UDP }
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with .Values.networkPolicy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "sluice.rule.redis" -}}
{{- $external := .Values.redis.external -}}
{{- if include "sluice.redis.isBundled" . -}}
- ports: [{ port: 6379 }]
  to:
    {{- include "sluice.peer" (dict "root" . "component" "redis") | nindent 4 }}
{{- else -}}
{{- $ports := list -}}
{{- with $external.url -}}{{- $ports = append $ports (include "sluice.port" (dict "address" . "usual" 6379)) -}}{{- end -}}
{{- range $external.cluster -}}{{- $ports = append $ports (include "sluice.port" (dict "address" . "usual" 6379)) -}}{{- end -}}
{{- range $external.sentinels -}}{{- $ports = concat $ports (list "6379" (include "sluice.port" (dict "address" . "usual" 26379))) -}}{{- end -}}
- ports:
    {{- range $ports | uniq | sortAlpha }}
    - { port: {{ . }} }
    {{- end }}
  {{- with .Values.networkPolicy.redis }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a service that works on contents may need besides: an S3 store; and where traces go, for all. Takes root and component. */}}
{{- define "sluice.rule.outside" -}}
{{- $content := .root.Values.config.content | default dict -}}
{{- if and (hasKey $content "s3") (ne .component "mailbox") }}
- ports: [{ port: {{ include "sluice.urlPort" (($content.s3 | default dict).endpoint | default "https://s3") }} }]
{{- end }}
{{- with .root.Values.tracing.endpoint }}
- ports: [{ port: {{ include "sluice.urlPort" . }} }]
{{- end }}
{{- with .root.Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The port of an http URL. */}}
{{- define "sluice.urlPort" -}}
{{- $host := (urlParse .).host -}}
{{- include "sluice.port" (dict "address" $host "usual" (ternary 443 80 (hasPrefix "https:" .))) -}}
{{- end -}}

{{- define "sluice.rule.metrics" -}}
- ports: [{ port: 9100 }]
  {{- with .Values.networkPolicy.metrics }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with .Values.networkPolicy.extraIngress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes root and component, and in and out: lists of rules as YAML. */}}
{{- define "sluice.policy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "sluice.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .in | trim }}
  ingress:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .out | trim }}
  egress:
    {{- . | nindent 4 }}
  {{- end }}
{{ end -}}
