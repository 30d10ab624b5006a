{{/* The Deployment, with podSpec and deployment merged over what the chart renders. */}}
{{- define "oxen-operator.deployment" -}}
{{- $deployment := include "oxen-operator.baseDeployment" . | fromYaml }}
{{- include "oxen-operator.merge" (dict "into" $deployment.spec.template.spec "from" (deepCopy .Values.podSpec)) }}
{{- include "oxen-operator.merge" (dict "into" $deployment "from" (deepCopy .Values.deployment)) }}
{{- toYaml $deployment }}
{{- end }}

{{/* The Deployment that the chart renders. */}}
{{- define "oxen-operator.baseDeployment" -}}
{{- $files := dict "root" . "secret" (include "oxen-operator.operatorKeySecret" . | fromYaml) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "oxen-operator.fullname" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "oxen-operator.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  strategy:
    {{- if .Values.leaderElection.enabled }}
    # The new pod stands by before the old one is stopped. It sees the old one release the Lease, so
    # it takes over without a wait.
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- else }}
    # Without a Lease, two pods must never run at the same time.
    type: Recreate
    {{- end }}
  selector:
    matchLabels:
      {{- include "oxen-operator.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "oxen-operator.podLabels" . | nindent 8 }}
      annotations:
        {{- merge (dict "kubectl.kubernetes.io/default-container" "operator") .Values.podAnnotations | toYaml | nindent 8 }}
    spec:
      serviceAccountName: {{ include "oxen-operator.serviceAccountName" . | quote }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      {{- with .Values.podSecurityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "oxen-operator.imagePullSecrets" . }}
      imagePullSecrets:
        {{- . | nindent 8 }}
      {{- end }}
      {{- if gt (int .Values.replicas) 1 }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "oxen-operator.selectorLabels" $ | nindent 14 }}
          # During a rolling update, only the new pods count.
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
      containers:
        - name: operator
          image: {{ include "oxen-operator.image" . | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args:
            - run
            {{- with .Values.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          env:
            {{- include "oxen-operator.env" . | nindent 12 }}
            {{- with .Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - name: http
              containerPort: {{ .Values.port }}
          # Restart only a process that hangs, because a restart also changes the leader. The probe
          # tolerates a node that is busy for more than a minute.
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            initialDelaySeconds: 10
            periodSeconds: 10
            timeoutSeconds: 15
            failureThreshold: 8
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
            timeoutSeconds: 3
          {{- with .Values.securityContext }}
          securityContext:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .Values.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with include "oxen-operator.volumeMounts" $files }}
          volumeMounts:
            {{- . | trim | nindent 12 }}
          {{- end }}
      {{- with include "oxen-operator.volumes" $files }}
      volumes:
        {{- . | trim | nindent 8 }}
      {{- end }}
{{- end }}
