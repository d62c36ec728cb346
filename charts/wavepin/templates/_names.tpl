{{- define "wavepin.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "wavepin.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "wavepin.name" .) .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "wavepin.name" .) | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/*
The name of the Roles in the namespaces that are watched, and of the ClusterRole. It is the same in every release, so that Helm refuses
a second operator over the same objects: the Role is there, and not its own.
*/}}
{{- define "wavepin.watchName" -}}
wavepin-controller
{{- end }}

{{- define "wavepin.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wavepin.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wavepin.labels" -}}
{{ include "wavepin.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: wavepin
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "wavepin.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "wavepin.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* The name of the policy by which nobody approves as another, of its binding, and of the rule that lets the operator read both. */}}
{{- define "wavepin.approvalPolicy" -}}
{{ printf "%s-%s-approver" .Release.Namespace (include "wavepin.fullname" .) }}
{{- end }}

{{- define "wavepin.image" -}}
{{- $repository := required "image.repository is empty: there is no public image of Wavepin yet. Build it with the Dockerfile, push it, and set image.repository to where it is" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The namespaces that are watched, one a line; none: all of them. */}}
{{- define "wavepin.namespaces" -}}
{{- if not .Values.watch.allNamespaces -}}
{{- .Values.watch.namespaces | default (list .Release.Namespace) | uniq | sortAlpha | join "\n" -}}
{{- end -}}
{{- end }}

{{- define "wavepin.subject" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "wavepin.serviceAccountName" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}
