{{- define "wavepin-resources.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  app.kubernetes.io/instance: {{ .root.Release.Name }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := .annotations | default dict }}
{{- if .root.Values.keep }}
{{- $annotations = merge (dict "helm.sh/resource-policy" "keep") $annotations }}
{{- end }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The instance that an object belongs to: the one that it names, or the only one of these values. */}}
{{- define "wavepin-resources.instanceRef" -}}
{{- if .spec.instanceRef -}}
{{ toYaml .spec.instanceRef }}
{{- else if eq (len .root.Values.instances) 1 -}}
name: {{ keys .root.Values.instances | first }}
{{- else -}}
{{ fail (printf "%s names no instance: give it instanceRef, since the values have %d instances" .what (len .root.Values.instances)) }}
{{- end -}}
{{- end }}
