# The image contains only the operator: no shell, no package manager and no writable file.
# To pin the compiler image by digest, use --build-arg RUST=rust:1.95-bookworm@sha256:...
ARG RUST=rust:1.95-bookworm

# The compilers run on the architecture of the machine that builds, and compile for the one of the
# image. That is much faster than emulation.
FROM --platform=$BUILDPLATFORM ${RUST} AS build
ARG TARGETARCH
WORKDIR /src
COPY image image
RUN image/cross.sh "$TARGETARCH"
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN image/build.sh /out "$TARGETARCH"

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG SOURCE=https://github.com/Oxen-AI/oxen-operator
LABEL org.opencontainers.image.title="oxen-operator" \
      org.opencontainers.image.description="Turns Oxen.ai custom model deployments on and off from Kubernetes manifests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/image/nsswitch.conf /etc/nsswitch.conf
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /out/oxen-operator /oxen-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/oxen-operator"]
