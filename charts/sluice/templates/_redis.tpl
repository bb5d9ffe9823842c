{{/* Which Redis: the bundled one, unless `redis.external` names servers. */}}

{{- define "sluice.redis.isBundled" -}}
{{- with .Values.redis.external -}}{{- if not (or .url .sentinels .cluster) -}}true{{- end -}}{{- end -}}
{{- end -}}

{{/* Whether the chart makes the password itself. */}}
{{- define "sluice.redis.makesPassword" -}}
{{- if and (include "sluice.redis.isBundled" .) (not .Values.redis.bundled.existingSecret) -}}true{{- end -}}
{{- end -}}

{{/* The Secret with the passwords that the chart makes. */}}
{{- define "sluice.madeSecret" -}}
{{- printf "%s-made" (include "sluice.fullname" .) -}}
{{- end -}}

{{/* The Secret with the password of Redis; empty: there is none. */}}
{{- define "sluice.redis.secretName" -}}
{{- if include "sluice.redis.isBundled" . -}}
{{- .Values.redis.bundled.existingSecret | default (include "sluice.madeSecret" .) -}}
{{- else -}}
{{- .Values.redis.external.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "sluice.redis.passwordKey" -}}
{{- if include "sluice.redis.makesPassword" . -}}
redis-password
{{- else if include "sluice.redis.isBundled" . -}}
{{- .Values.redis.bundled.passwordKey -}}
{{- else -}}
{{- .Values.redis.external.passwordKey -}}
{{- end -}}
{{- end -}}

{{/* The folder /etc/sluice/redis: password and certificates; empty when there is nothing to mount. Takes the root. */}}
{{- define "sluice.redis.sources" -}}
{{- $external := .Values.redis.external -}}
{{- with include "sluice.redis.secretName" . }}
- secret:
    name: {{ . | quote }}
    items:
      - { key: {{ include "sluice.redis.passwordKey" $ | quote }}, path: password }
      {{- if and (not (include "sluice.redis.isBundled" $)) $external.sentinelPasswordKey }}
      - { key: {{ $external.sentinelPasswordKey | quote }}, path: sentinel-password }
      {{- end }}
{{- end }}
{{- if and (not (include "sluice.redis.isBundled" .)) $external.tls.enabled $external.tls.existingSecret }}
- secret:
    name: {{ $external.tls.existingSecret | quote }}
    items:
      {{- range list $external.tls.caKey $external.tls.certKey $external.tls.keyKey }}
      {{- with . }}
      - { key: {{ . | quote }}, path: {{ printf "tls/%s" . | quote }} }
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}

{{/* Whether there is anything to make a Secret for. */}}
{{- define "sluice.makesSecret" -}}
{{- if or (include "sluice.redis.makesPassword" .) .Values.test.enabled -}}true{{- end -}}
{{- end -}}

{{/* What the bundled Redis starts with; another text starts it anew. Both take its values. */}}
{{- define "sluice.redis.conf" -}}
dir /data
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
hash-max-listpack-value 2048
protected-mode no
{{- with .extraConfig }}
{{ . }}
{{- end }}
{{- end -}}

{{/* maxmemory leaves room for the copies that Redis makes while it rewrites its file. */}}
{{- define "sluice.redis.start" -}}
set -eu
umask 077
{
  cat /etc/redis/redis.conf
  echo "maxmemory $((MEMORY_LIMIT * {{ .maxMemoryPercent }} / 100))"
  printf 'requirepass "%s"\n' "$(sed 's/[\\"]/\\&/g' /etc/sluice/redis/password)"
} > /run/redis/redis.conf
exec redis-server /run/redis/redis.conf
{{- end -}}
