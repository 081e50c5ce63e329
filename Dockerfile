# syntax=docker/dockerfile:1

FROM node:22-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-fund --no-audit
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS server
WORKDIR /build
COPY . ./
COPY --from=web /build/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release && cp target/release/geocast /geocast

FROM debian:bookworm-slim
# TLS to brokers trusts the system's certificates, the newest that the image offers.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home geocast \
    && install -d -o geocast -g geocast /data
COPY --from=server /geocast /usr/local/bin/geocast
USER 10001
WORKDIR /data
VOLUME /data
ENV GEOCAST_LISTEN=0.0.0.0:8080 \
    GEOCAST_DATABASE_URL=sqlite:///data/geocast.db
EXPOSE 8080 1883
# Bash speaks HTTP well enough to read a status, so that nothing needs to be installed for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /api/health HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["geocast"]
CMD ["serve"]
