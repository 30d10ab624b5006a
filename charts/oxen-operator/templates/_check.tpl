{{/* The pod of `helm test`. It lists the models on the hub with the operator's connection settings,
and changes nothing. */}}
{{- define "oxen-operator.checkPod" -}}
{{- $secret := include "oxen-operator.operatorKeySecret" . | fromYaml }}
{{- if not $secret }}
{{- $secret = dict "name" .Values.test.secretName "key" .Values.test.secretKey }}
{{- end }}
{{- $files := dict "root" . "secret" $secret -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-check" (include "oxen-operator.fullname" .) | quote }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- merge (dict "app.kubernetes.io/component" "check") (include "oxen-operator.labels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
  annotations:
    {{- /* The pod is kept until the next test, so that its log can be read. */}}
    {{- merge (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation") .Values.podAnnotations | toYaml | nindent 4 }}
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 120
  serviceAccountName: {{ include "oxen-operator.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "oxen-operator.imagePullSecrets" . }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: check
      image: {{ include "oxen-operator.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [check]
      env:
        {{- include "oxen-operator.hubEnv" . | nindent 8 }}
        {{- include "oxen-operator.keyEnv" . | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "oxen-operator.volumeMounts" $files | trim | nindent 8 }}
  volumes:
    {{- include "oxen-operator.volumes" $files | trim | nindent 4 }}
{{- end }}
