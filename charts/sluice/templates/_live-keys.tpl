{{/* The keys of the config that apply while a service runs; a change of any other one restarts its pods. Made by `npm run docs`. */}}
{{- define "sluice.liveKeys" -}}
["accounts","classes","defaultShare","domains","metrics","policies","replyRules","routes","schedule","schedules","spooler","tracing","trustedNetworks"]
{{- end -}}
