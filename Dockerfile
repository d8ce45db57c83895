# Satchel's three programs in one image: satchel-api (the default), satchel-worker, and satchel for migrations,
# tokens, keys and health checks.

FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p satchel-api -p satchel-worker -p satchel-cli \
    && mkdir /programs \
    && cp target/release/satchel target/release/satchel-api target/release/satchel-worker /programs/

FROM debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin satchel
COPY --from=build /programs/ /usr/local/bin/
USER 10001
EXPOSE 8080
CMD ["satchel-api"]
