{{/* Pieces of NetworkPolicies. */}}

{{/* Pods of a component of this release, as a peer. Takes root and component. */}}
{{- define "sluice.peer" -}}
- podSelector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* The port of an address, `host:port`, or of a URL, with or without a path; else the usual one. Takes address and usual. */}}
{{- define "sluice.port" -}}
{{- regexFind "^([a-z]+://)?[^/]*" .address | regexFind ":[0-9]+$" | trimPrefix ":" | default (toString .usual) -}}
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

{{/* An address, `10.0.0.1:53` or `[fd00::1]:53`, as a peer. */}}
{{- define "sluice.addressPeer" -}}
{{- $ip := regexReplaceAll ":[0-9]+$" . "" | trimAll "[]" -}}
- ipBlock: { cidr: {{ printf "%s/%d" $ip (ternary 128 32 (contains ":" $ip)) | quote }} }
{{- end -}}

{{/* Name servers: those of the cluster (their pods listen on 5353 in OpenShift), and those of the config, which are allowed wherever the others are. */}}
{{- define "sluice.rule.dns" -}}
{{- $servers := (.Values.config.resolver | default dict).servers | default list -}}
{{- $ports := list "53" "5353" -}}
{{- range $servers -}}
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
    {{- range $servers }}
    {{- include "sluice.addressPeer" (toString .) | nindent 4 }}
    {{- end }}
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
{{- with .Values.networkPolicy.redisPorts -}}{{- $ports = list -}}{{- range . -}}{{- $ports = append $ports (toString .) -}}{{- end -}}{{- end -}}
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

{{/* A URL's port, at these peers or anywhere; any port when the environment has it. Takes url and peers. */}}
{{- define "sluice.rule.url" -}}
{{- $port := include "sluice.port" (dict "address" .url "usual" "") -}}
{{- if and (not $port) (contains "${" .url) -}}
- ports: [{ protocol: TCP }]
{{- else -}}
- ports: [{ port: {{ $port | default (ternary 443 80 (hasPrefix "https:" .url)) }} }]
{{- end }}
{{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
Without key files, others may say who we are to the bucket: AWS' STS to a web identity; the agents of EKS Pod Identity and of ECS on the
node; and the instance itself, to which this is the only reason to go. Takes root and component.
*/}}
{{- define "sluice.rules.identity" }}
{{- $values := get .root.Values (ternary "deliveryAgent" .component (eq .component "delivery-agent")) }}
{{- $asksInstance := true }}
{{- range $values.extraEnv }}
{{- if and (eq .name "AWS_EC2_METADATA_DISABLED") (eq (lower (toString .value)) "true") }}{{- $asksInstance = false }}{{- end }}
{{- end }}
- ports: [{ port: 443 }]
- ports: [{ port: 80 }]
  to:
    - ipBlock: { cidr: 169.254.170.23/32 }
    - ipBlock: { cidr: "fd00:ec2::23/128" }
    - ipBlock: { cidr: 169.254.170.2/32 }
    {{- if $asksInstance }}
    - ipBlock: { cidr: 169.254.169.254/32 }
    - ipBlock: { cidr: "fd00:ec2::254/128" }
    {{- end }}
{{- end }}

{{/* What a service that works on contents may need besides: an S3 store; and where traces go, for all. Takes root and component. */}}
{{- define "sluice.rule.outside" -}}
{{- $s3 := (.root.Values.config.content | default dict).s3 -}}
{{- $peers := .root.Values.networkPolicy -}}
{{- if and $s3 (ne .component "mailbox") }}
{{ include "sluice.rule.url" (dict "url" ($s3.endpoint | default "https://s3") "peers" $peers.content) }}
{{- if not $s3.accessKeyFile }}
{{- include "sluice.rules.identity" . }}
{{- end }}
{{- end }}
{{- with .root.Values.tracing.endpoint }}
{{ include "sluice.rule.url" (dict "url" . "peers" $peers.traces) }}
{{- end }}
{{- with $peers.extraEgress }}
{{ toYaml . }}
{{- end }}
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
