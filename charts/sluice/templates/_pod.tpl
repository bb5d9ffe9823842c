{{/* What the pods of all services have in common. Everything here takes root, component and values (the component's own). */}}

{{/* Seconds that a service gets to finish after SIGTERM. The agent's default: the far end may take its time for the final dot. */}}
{{- define "sluice.shutdownGrace" -}}
{{- if .values.shutdownGraceSeconds -}}
{{- .values.shutdownGraceSeconds -}}
{{- else -}}
{{- $delivery := .root.Values.config.delivery | default dict -}}
{{- $timeouts := $delivery.timeouts | default dict -}}
{{- add 30 (include "sluice.seconds" ($timeouts.dot | default "10m")) -}}
{{- end -}}
{{- end -}}

{{/* A duration of the config in seconds, rounded up. */}}
{{- define "sluice.seconds" -}}
{{- $text := toString . | trim -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "min" 60.0 "h" 3600.0 "d" 86400.0) $unit | default 1.0 -}}
{{- mulf $number $factor | ceil | int -}}
{{- end -}}

{{/* Time for the balancers to hear of it, the service's own time, and some for the rest. */}}
{{- define "sluice.terminationGrace" -}}
{{- .values.terminationGracePeriodSeconds | default (add .values.preStopSeconds (include "sluice.shutdownGrace" .) 15) -}}
{{- end -}}

{{- define "sluice.serviceAccountName" -}}
{{- if .values.serviceAccount.create -}}
{{- .values.serviceAccount.name | default (include "sluice.name" .) -}}
{{- else -}}
{{- .values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "sluice.serviceAccount" -}}
{{- if .values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "sluice.metadata" (merge (dict "name" (include "sluice.serviceAccountName" .) "annotations" .values.serviceAccount.annotations) .) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{/*
Spread over nodes, unless the values say otherwise: the pods of one version, as those that an upgrade replaces go anyway. Zones are no
second constraint: nodes without the label of a zone, as on most small clusters, would then not be scored for either.
*/}}
{{- define "sluice.spread" -}}
{{- if kindIs "slice" .values.topologySpreadConstraints -}}
{{- with .values.topologySpreadConstraints -}}{{- toYaml . -}}{{- end -}}
{{- else -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end -}}
{{- end -}}

{{/* Over zones, where there are some, unless the values place pods in either way. */}}
{{- define "sluice.zones" -}}
{{- if not (or .values.affinity (kindIs "slice" .values.topologySpreadConstraints)) -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 50
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "sluice.selectorLabels" . | nindent 12 }}
{{- end -}}
{{- end -}}

{{- define "sluice.probes" -}}
{{- $health := dict "path" "/healthz" "port" "http" -}}
startupProbe:
  {{- toYaml (merge (deepCopy .values.startupProbe) (dict "httpGet" $health)) | nindent 2 }}
readinessProbe:
  {{- toYaml (merge (deepCopy .values.readinessProbe) (dict "httpGet" (dict "path" "/readyz" "port" "http"))) | nindent 2 }}
livenessProbe:
  {{- toYaml (merge (deepCopy .values.livenessProbe) (dict "httpGet" $health)) | nindent 2 }}
{{- end -}}

{{/* Secrets that the service's config names: /etc/sluice/secrets/NAME/KEY. As JSON, a list of names. */}}
{{- define "sluice.namedSecrets" -}}
{{- $names := list -}}
{{- range regexFindAll "/etc/sluice/secrets/[a-z0-9.-]+/" (include "sluice.config" .) -1 -}}
{{- $names = append $names (trimSuffix "/" . | trimPrefix "/etc/sluice/secrets/") -}}
{{- end -}}
{{- toJson (dict "names" ($names | uniq | sortAlpha)) -}}
{{- end -}}

{{/* The volume of a Secret: names of volumes have no dots and 63 characters; a digest tells those apart that would be the same. */}}
{{- define "sluice.secretVolume" -}}
{{- if or (contains "." .) (gt (len .) 56) -}}
{{- printf "secret-%s-%s" (. | replace "." "-" | trunc 40) (. | sha256sum | trunc 8) -}}
{{- else -}}
{{- printf "secret-%s" . -}}
{{- end -}}
{{- end -}}

{{- define "sluice.volumes" -}}
- name: config
  configMap:
    name: {{ include "sluice.name" . }}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if ne .component "mailbox" }}
{{- with include "sluice.redis.sources" .root }}
- name: redis
  projected:
    defaultMode: 0440
    sources:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- if and (eq .component "ingress") (include "sluice.hasTls" .root) }}
- name: tls
  secret:
    secretName: {{ include "sluice.tlsSecretName" .root | quote }}
    defaultMode: 0440
{{- end }}
{{- range (include "sluice.namedSecrets" . | fromJson).names }}
- name: {{ include "sluice.secretVolume" . }}
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sluice.tlsSecretName" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "sluice.fullname" .)) -}}
{{- end -}}

{{- define "sluice.volumeMounts" -}}
- { name: config, mountPath: /etc/sluice/config, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- if and (ne .component "mailbox") (include "sluice.redis.sources" .root) }}
- { name: redis, mountPath: /etc/sluice/redis, readOnly: true }
{{- end }}
{{- if and (eq .component "ingress") (include "sluice.hasTls" .root) }}
- { name: tls, mountPath: /etc/sluice/tls/default, readOnly: true }
{{- end }}
{{- range (include "sluice.namedSecrets" . | fromJson).names }}
- { name: {{ include "sluice.secretVolume" . }}, mountPath: {{ printf "/etc/sluice/secrets/%s" . }}, readOnly: true }
{{- end }}
{{- if eq .component "mailbox" }}
- { name: data, mountPath: /data }
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Ports by name. Besides what sluice.pod takes: ports, a list of name and containerPort, perhaps hostPort. */}}
{{- define "sluice.container" -}}
- name: {{ .component }}
  image: {{ include "sluice.image" . }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  securityContext:
    {{- toYaml (.values.securityContext | default .root.Values.securityContext) | nindent 4 }}
  env:
    - { name: SLUICE_CONFIG, value: /etc/sluice/config/sluice.yaml }
    - { name: SLUICE_DATA, value: /data }
    {{- if and .root.Values.test.enabled (has .component (list "ingress" "delivery-agent")) }}
    - name: SLUICE_TEST_TOKEN
      valueFrom: { secretKeyRef: { name: {{ include "sluice.madeSecret" .root }}, key: test-token } }
    {{- end }}
    {{- with .root.Values.tracing.endpoint }}
    - { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
    - { name: OTEL_EXPORTER_OTLP_PROTOCOL, value: {{ $.root.Values.tracing.protocol | quote }} }
    {{- end }}
    {{- with .values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range .ports }}
    - {{ toJson . }}
    {{- end }}
    - { name: http, containerPort: 9100 }
  {{- include "sluice.probes" . | nindent 2 }}
  {{- with .values.preStopSeconds }}
  lifecycle:
    preStop:
      sleep: { seconds: {{ . }} }
  {{- end }}
  resources:
    {{- toYaml .values.resources | nindent 4 }}
  volumeMounts:
    {{- include "sluice.volumeMounts" . | nindent 4 }}
{{- end -}}

{{/* Where pods may run and what they may do; for every pod of the chart. */}}
{{- define "sluice.podPlacement" -}}
securityContext:
  {{- toYaml (.values.podSecurityContext | default .root.Values.podSecurityContext) | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "affinity" "tolerations" "priorityClassName" "dnsPolicy" "dnsConfig" "hostAliases" "runtimeClassName" }}
{{- with get $.values $key }}
{{ toYaml (dict $key .) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The pod template of a service. */}}
{{- define "sluice.pod" -}}
metadata:
  labels:
    {{- include "sluice.podLabels" (merge (dict "own" (dict "sluice/metrics" "true") "more" .values.podLabels) .) | nindent 4 }}
  # Of the keys that need a restart; all others apply while it runs.
  annotations:
    {{- toYaml (merge (dict "checksum/config" (include "sluice.restartDigest" .)) .values.podAnnotations) | nindent 4 }}
spec:
  serviceAccountName: {{ include "sluice.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "sluice.terminationGrace" . }}
  {{- include "sluice.podPlacement" . | nindent 2 }}
  {{- with include "sluice.zones" . | trim }}
  affinity:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with include "sluice.spread" . | trim }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "sluice.container" . | nindent 4 }}
    {{- with .values.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "sluice.volumes" . | nindent 4 }}
{{- end -}}

{{/* How pods are replaced; Kubernetes takes this one where nothing is said. Takes a component's values. */}}
{{- define "sluice.strategyType" -}}
{{- .strategy.type | default "RollingUpdate" -}}
{{- end -}}

{{- define "sluice.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "sluice.metadata" (merge (dict "annotations" .values.annotations) .) | nindent 2 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  minReadySeconds: {{ .values.minReadySeconds }}
  revisionHistoryLimit: {{ .root.Values.revisionHistoryLimit }}
  strategy:
    {{- toYaml (ternary .values.strategy (omit .values.strategy "rollingUpdate") (eq (include "sluice.strategyType" .values) "RollingUpdate")) | nindent 4 }}
  selector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
  template:
    {{- include "sluice.pod" . | nindent 4 }}
{{- end -}}

{{/* How many pods there are when there are fewest. Takes a component's values; those of a StatefulSet say nothing of it. */}}
{{- define "sluice.fewestPods" -}}
{{- $auto := .autoscaling | default dict -}}
{{- $scaled := or $auto.enabled (ne ($auto.via | default "none") "none") -}}
{{- ternary $auto.minReplicas (.replicas | default 1) $scaled | int -}}
{{- end -}}

{{/* A number, or a percentage of pods, rounded up as Kubernetes does for a PodDisruptionBudget. Takes part and pods. */}}
{{- define "sluice.partOfPods" -}}
{{- $part := toString .part -}}
{{- if hasSuffix "%" $part -}}
{{- divf (mulf (trimSuffix "%" $part | float64) .pods) 100 | ceil | int -}}
{{- else -}}
{{- int $part -}}
{{- end -}}
{{- end -}}

{{- define "sluice.pdb" -}}
{{- if .values.pdb.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "sluice.metadata" . | nindent 2 }}
spec:
  {{- if kindIs "invalid" .values.pdb.minAvailable }}
  maxUnavailable: {{ .values.pdb.maxUnavailable }}
  {{- else }}
  minAvailable: {{ .values.pdb.minAvailable }}
  {{- end }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sluice.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
