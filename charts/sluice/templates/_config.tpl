{{/*
The gateway's config, as each service gets it: what stands under `config`, and what the chart sets (Redis, listeners, ports).
A service gets the secrets that it needs and no others: certificates and accounts' passwords go to ingress, passwords of far ends
to the delivery-agent; elsewhere the keys that name them are left out.
*/}}

{{/* Whether the values say anything of whom mail is for; if not, the gateway keeps mail for me@sluice.test, as `npm start` does. */}}
{{- define "sluice.isDemo" -}}
{{- $config := .Values.config -}}
{{- if not (or $config.domains $config.routes $config.accounts) -}}true{{- end -}}
{{- end -}}

{{/* A word that may be `off`: Helm reads YAML 1.1, in which that is false. */}}
{{- define "sluice.word" -}}
{{- if kindIs "bool" . -}}off{{- else -}}{{- . -}}{{- end -}}
{{- end -}}

{{/* Routes or policies with their words for TLS. As JSON: list. */}}
{{- define "sluice.withTlsWords" -}}
{{- $list := list -}}
{{- range . -}}
{{- $list = append $list (ternary (merge (dict "tls" (include "sluice.word" .tls)) (omit . "tls")) . (hasKey . "tls")) -}}
{{- end -}}
{{- toJson (dict "list" $list) -}}
{{- end -}}

{{/* Reply rules with their key `off`. As JSON: list. */}}
{{- define "sluice.replyRules" -}}
{{- $list := list -}}
{{- range . -}}
{{- $list = append $list (ternary (merge (dict "off" (get . "false")) (omit . "false")) . (hasKey . "false")) -}}
{{- end -}}
{{- toJson (dict "list" $list) -}}
{{- end -}}

{{/* Domains, accounts and routes as the values have them, as JSON. Takes the root. */}}
{{- define "sluice.directory" -}}
{{- $config := .Values.config -}}
{{- $directory := dict "domains" ($config.domains | default list) "accounts" ($config.accounts | default list) "routes" (include "sluice.withTlsWords" ($config.routes | default list) | fromJson).list -}}
{{- if include "sluice.isDemo" . -}}
{{- $directory = dict
      "domains" (list (dict "name" "sluice.test" "route" "local" "postmaster" "me@sluice.test"))
      "accounts" (list (dict "address" "me@sluice.test"))
      "routes" (list (dict "name" "local" "type" "local")) -}}
{{- end -}}
{{- toJson $directory -}}
{{- end -}}

{{/* Whether mail is kept here: a route of type local, or a domain that names it. Takes the root. */}}
{{- define "sluice.keepsMail" -}}
{{- $directory := include "sluice.directory" . | fromJson -}}
{{- $keeps := false -}}
{{- range $directory.routes -}}{{- if and (eq .type "local") (not .hosts) -}}{{- $keeps = true -}}{{- end -}}{{- end -}}
{{- range $directory.domains -}}{{- if eq (.route | default "") "local" -}}{{- $keeps = true -}}{{- end -}}{{- end -}}
{{- if $keeps -}}true{{- end -}}
{{- end -}}

{{- define "sluice.hostname" -}}
{{- .Values.config.hostname | default (include "sluice.host" (dict "root" . "component" "ingress")) -}}
{{- end -}}

{{- define "sluice.hasTls" -}}
{{- if or .Values.tls.existingSecret .Values.tls.certManager.enabled -}}true{{- end -}}
{{- end -}}

{{/* Whether the Service of ingress is reached from outside, so that somebody may stand for its clients. Takes the root. */}}
{{- define "sluice.isExposed" -}}
{{- with .Values.ingress.service -}}{{- if or (ne .type "ClusterIP") .externalIPs -}}true{{- end -}}{{- end -}}
{{- end -}}

{{/* Whether clients come with the address of a node. Takes the root. */}}
{{- define "sluice.hidesClients" -}}
{{- if and (include "sluice.isExposed" .) (eq .Values.ingress.service.externalTrafficPolicy "Cluster") (not .Values.proxyProtocol.trusted) -}}true{{- end -}}
{{- end -}}

{{/* Listeners that are there: those for submission need a certificate. As JSON: a list of name, containerPort, port, implicitTls, auth. */}}
{{- define "sluice.listeners" -}}
{{- $tls := include "sluice.hasTls" . -}}
{{- $listeners := list -}}
{{- range $one := list
      (dict "name" "smtp" "containerPort" 2525 "implicitTls" false "needsTls" false)
      (dict "name" "submission" "containerPort" 2587 "implicitTls" false "needsTls" true)
      (dict "name" "submissions" "containerPort" 2465 "implicitTls" true "needsTls" true) -}}
{{- $values := get $.Values.listeners $one.name -}}
{{- if and $values.enabled (or $tls (not $one.needsTls)) -}}
{{- $listeners = append $listeners (merge (dict "port" $values.port "auth" (include "sluice.word" $values.auth)) $one) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "listeners" $listeners) -}}
{{- end -}}

{{/* The listeners of the config. Takes root and component. */}}
{{- define "sluice.config.listeners" -}}
{{- $root := .root -}}
{{- $whole := eq .component "ingress" -}}
{{- $tls := include "sluice.hasTls" $root -}}
{{- $listeners := list -}}
{{- range (include "sluice.listeners" $root | fromJson).listeners -}}
{{- $one := dict "name" .name "listen" (printf "%s:%v" $root.Values.listenAddress .containerPort) -}}
{{- if and $whole $tls -}}
{{- $files := dict "certFile" "/etc/sluice/tls/default/tls.crt" "keyFile" "/etc/sluice/tls/default/tls.key" -}}
{{- $one = merge $one (dict "tls" $files "implicitTls" .implicitTls "auth" .auth) -}}
{{- end -}}
{{- with $root.Values.proxyProtocol.trusted -}}{{- if $whole -}}{{- $_ := set $one "proxy" (dict "trusted" .) -}}{{- end -}}{{- end -}}
{{- $listeners = append $listeners $one -}}
{{- end -}}
{{- toJson (dict "listeners" $listeners) -}}
{{- end -}}

{{/* Where Redis is, with what `config.redis` says besides. Takes the root. */}}
{{- define "sluice.config.redis" -}}
{{- $redis := deepCopy (.Values.config.redis | default dict) -}}
{{- $external := .Values.redis.external -}}
{{- if include "sluice.redis.isBundled" . -}}
{{- $redis = merge (dict "url" (printf "redis://%s:6379" (include "sluice.host" (dict "root" . "component" "redis")))) $redis -}}
{{- else -}}
{{- range $key := list "url" "sentinels" "cluster" "user" -}}
{{- with get $external $key -}}{{- $_ := set $redis $key . -}}{{- end -}}
{{- end -}}
{{- if $external.sentinels -}}{{- $_ := set $redis "sentinelName" $external.sentinelName -}}{{- end -}}
{{- if $external.sentinelPasswordKey -}}{{- $_ := set $redis "sentinelPasswordFile" "/etc/sluice/redis/sentinel-password" -}}{{- end -}}
{{- if $external.tls.enabled -}}
{{- $tls := dict -}}
{{- range $key, $file := dict "caKey" "caFile" "certKey" "certFile" "keyKey" "keyFile" -}}
{{- if and $external.tls.existingSecret (get $external.tls $key) -}}
{{- $_ := set $tls $file (printf "/etc/sluice/redis/tls/%s" (get $external.tls $key)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $redis "tls" $tls -}}
{{- end -}}
{{- end -}}
{{- if include "sluice.redis.secretName" . -}}{{- $_ := set $redis "passwordFile" "/etc/sluice/redis/password" -}}{{- end -}}
{{- toJson $redis -}}
{{- end -}}

{{/*
Whom mail is for and where it goes, as one service has it: without the secrets that it needs not, and with the domain of `helm test`,
whose name holds a secret so that nobody else can send there. As JSON. Takes root and component.
*/}}
{{- define "sluice.config.directory" -}}
{{- $directory := include "sluice.directory" .root | fromJson -}}
{{- $isIngress := eq .component "ingress" -}}
{{- $isAgent := eq .component "delivery-agent" -}}
{{- $accounts := list -}}
{{- range $directory.accounts -}}{{- $accounts = append $accounts (ternary . (omit . "passwordFile" "passwordHash") $isIngress) -}}{{- end -}}
{{- $routes := list -}}
{{- range $directory.routes -}}{{- $routes = append $routes (ternary . (omit . "auth") $isAgent) -}}{{- end -}}
{{- $domains := $directory.domains -}}
{{- if and .root.Values.test.enabled (ne .component "mailbox") -}}
{{- $sink := printf "%s:2525" (include "sluice.host" (dict "root" .root "component" "test")) -}}
{{- $routes = append $routes (dict "name" "helm-test" "type" "smtp" "hosts" (list $sink) "tls" "off" "schedule" "helm-test") -}}
{{- if or $isIngress $isAgent -}}
{{- $domains = append $domains (dict "name" (include "sluice.test.domain" .root) "route" "helm-test" "recipients" "any") -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "domains" $domains "accounts" $accounts "routes" $routes) -}}
{{- end -}}

{{/* The Service of a sink that has just begun may refuse for a moment; and a sink that has gone is soon given up. */}}
{{- define "sluice.test.schedule" -}}
delays: [2s, 3s, 5s, 30s, 60s]
{{- end -}}

{{- define "sluice.test.domain" -}}
helm-test-${SLUICE_TEST_TOKEN}.internal
{{- end -}}

{{/* The whole config of one service, as YAML. Takes root, component and values. */}}
{{- define "sluice.config" -}}
{{- $root := .root -}}
{{- $isMailbox := eq .component "mailbox" -}}
{{- $listen := $root.Values.listenAddress -}}
{{- $mailboxHost := ternary $listen (include "sluice.host" (dict "root" $root "component" "mailbox")) $isMailbox -}}
{{- $set := merge (include "sluice.config.directory" . | fromJson) (dict
      "hostname" (include "sluice.hostname" $root)
      "listeners" (include "sluice.config.listeners" . | fromJson).listeners
      "mailbox" (dict "listen" (printf "%s:2424" $mailboxHost))
      "http" (dict "host" (trimAll "[]" $listen) "ports" (merge (dict .component 9100) (dict "ingress" 0 "spooler" 0 "delivery-agent" 0 "mailbox" 0)))
      "shutdownGrace" (printf "%ss" (include "sluice.shutdownGrace" .))) -}}
{{- if not $isMailbox -}}{{- $_ := set $set "redis" (include "sluice.config.redis" $root | fromJson) -}}{{- end -}}
{{- if and $root.Values.test.enabled (not $isMailbox) -}}{{- $_ := set $set "schedules" (dict "helm-test" (include "sluice.test.schedule" . | fromYaml)) -}}{{- end -}}
{{- with $root.Values.config.policies -}}{{- $_ := set $set "policies" (include "sluice.withTlsWords" . | fromJson).list -}}{{- end -}}
{{- with $root.Values.config.replyRules -}}{{- $_ := set $set "replyRules" (include "sluice.replyRules" . | fromJson).list -}}{{- end -}}
{{- $config := omit $root.Values.config "redis" -}}
{{- if $isMailbox -}}{{- $config = omit $config "content" -}}{{- end -}}
{{- toYaml (merge $set $config) -}}
{{- end -}}

{{/* A digest of the keys that need a restart. Takes what sluice.config takes. */}}
{{- define "sluice.restartDigest" -}}
{{- $config := include "sluice.config" . | fromYaml -}}
{{- range include "sluice.liveKeys" . | fromJsonArray -}}{{- $config = omit $config . -}}{{- end -}}
{{- toJson $config | sha256sum -}}
{{- end -}}

{{/* The ConfigMap of one service. Takes what sluice.config takes. */}}
{{- define "sluice.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "sluice.metadata" . | nindent 2 }}
data:
  sluice.yaml: |
    {{- include "sluice.config" . | nindent 4 }}
{{- end -}}
