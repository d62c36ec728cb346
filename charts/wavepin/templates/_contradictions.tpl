{{/* Values that the schema takes one by one, and that make no sense together. */}}
{{- define "wavepin.contradictions" -}}
{{- if and .Values.watch.allNamespaces .Values.watch.namespaces -}}
{{- fail "watch.allNamespaces and watch.namespaces: name the namespaces, or watch all of them" -}}
{{- end -}}
{{- $sqlite := .Values.database.sqlite -}}
{{- if $sqlite.enabled -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail "database.sqlite.enabled with more than one replica: a volume serves one Pod. Set replicas to 1, or give a database by database.urlSecret" -}}
{{- end -}}
{{- if .Values.database.urlSecret.name -}}
{{- fail "database.sqlite.enabled and database.urlSecret.name: one of them is the database" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.image.tag (contains "@" .Values.image.tag) -}}
{{- fail "image.tag holds a digest: set image.digest" -}}
{{- end -}}
{{- end }}

{{/*
A second operator over the same objects. Helm refuses the second Role of one namespace by itself; this finds an operator for all
namespaces beside one for some. Without a cluster (`helm template`) there is nothing to look at.
*/}}
{{- define "wavepin.refuseSecond" -}}
{{- $name := include "wavepin.watchName" . -}}
{{- $own := dict "name" .Release.Name "namespace" .Release.Namespace -}}
{{- if .Values.rbac.create -}}
{{- if .Values.watch.allNamespaces -}}
{{- range (lookup "rbac.authorization.k8s.io/v1" "Role" "" "").items -}}
{{- if and (eq .metadata.name $name) (not (eq (include "wavepin.isOwn" (dict "object" . "own" $own)) "yes")) -}}
{{- fail (printf "namespace %s is watched by another release (its Role %s is there): two operators on the same objects would undo each other's work. Uninstall that one first, or name the other namespaces in watch.namespaces" .metadata.namespace $name) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $all := lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" $name -}}
{{- if and $all (not (eq (include "wavepin.isOwn" (dict "object" $all "own" $own)) "yes")) -}}
{{- fail (printf "another release watches all namespaces (its ClusterRole %s is there): two operators on the same objects would undo each other's work. Uninstall that one first, or give it watch.namespaces" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "wavepin.isOwn" -}}
{{- $annotations := .object.metadata.annotations | default dict -}}
{{- if and (eq (get $annotations "meta.helm.sh/release-name") .own.name) (eq (get $annotations "meta.helm.sh/release-namespace") .own.namespace) -}}
yes
{{- end -}}
{{- end }}
