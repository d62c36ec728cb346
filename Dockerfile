# The operator, static, on nothing but the certificates of public authorities. Each platform is built on its own:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example.com/wavepin:0.1.0 --push .
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /src
# The dependencies alone, behind sources that are empty: a layer that stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY tools/static tools/
RUN mkdir -p src tests benches/wavepin \
    && touch src/lib.rs \
    && for file in src/main.rs tests/main.rs benches/wavepin/main.rs; do echo 'fn main() {}' > "$file"; done \
    && tools/static
COPY src src
COPY migrations migrations
# The demo's manifests are part of the binary.
COPY examples examples
# Cargo goes by times, and the copies may be older than what was built of the empty sources.
RUN touch src/lib.rs src/main.rs \
    && cp "$(tools/static)" /wavepin

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="wavepin" \
      org.opencontainers.image.description="A Kubernetes operator for versions of Omni models and their dashboards" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/wavepin/wavepin" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /wavepin /wavepin
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/wavepin"]
CMD ["controller"]
