#!/usr/bin/env bash
# Installs what Satchel needs to be built and run here and is not there yet: a C compiler (for linking and for
# two libraries), Postgres, Redis and curl; after `deps.sh tests` also what only its tests need: openssl,
# libfaketime, RabbitMQ, Python 3 and (not on macOS) plpgsql_check, and mold, which links them sooner. Says first
# what it will install. Starts no service.
set -euo pipefail

purpose=${1:-}

# Homebrew does not link this one into its bin. (The Makefile knows it too.)
PATH=$PATH:/opt/homebrew/opt/postgresql@16/bin:/usr/local/opt/postgresql@16/bin

has() { command -v "$1" >/dev/null 2>&1; }

# Whether Postgres's programs are in PATH or where Debian, Ubuntu and Homebrew keep them.
has_postgres() {
    local bin
    for bin in $(has pg_config && pg_config --bindir) /usr/lib/postgresql/*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && [ -x "$bin/psql" ]; then return 0; fi
    done
    has initdb && has postgres && has psql
}

# Where Debian, Ubuntu and Homebrew keep it. (testkit/src/clock.rs looks there.)
has_faketime() {
    local library
    for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib64/faketime/libfaketimeMT.so.1 \
        /opt/homebrew/lib/faketime/libfaketime.1.dylib /usr/local/lib/faketime/libfaketime.1.dylib; do
        if [ -e "$library" ]; then return 0; fi
    done
    return 1
}

# Where Debian, Ubuntu and Homebrew keep it. (testkit/src/rabbitmq.rs looks there.)
has_rabbitmq() {
    local program
    for program in /usr/lib/rabbitmq/bin/rabbitmq-server /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server \
        /usr/local/opt/rabbitmq/sbin/rabbitmq-server; do
        if [ -x "$program" ]; then return 0; fi
    done
    has rabbitmq-server
}

# Where Debian and Ubuntu keep it. Homebrew has none.
has_plpgsql_check() {
    has apt-get || return 0
    local control
    for control in /usr/share/postgresql/*/extension/plpgsql_check.control; do
        if [ -e "$control" ]; then return 0; fi
    done
    return 1
}

# Not for macOS.
has_mold() {
    has apt-get || return 0
    has mold
}

missing() {
    has cc || echo compiler
    has_postgres || echo postgres
    has psql || echo psql
    has redis-server || has valkey-server || echo redis
    has curl || echo curl
    if [ "$purpose" = tests ]; then
        has openssl || echo openssl
        has python3 || echo python
        has_faketime || echo faketime
        has_rabbitmq || echo rabbitmq
        has_plpgsql_check || echo plpgsql_check
        has_mold || echo mold
    fi
}

needs=$(missing)
if ! has cargo; then
    echo "deps: cargo was not found: install a Rust toolchain first" >&2
    exit 1
fi
if [ -z "$needs" ]; then exit 0; fi

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        echo "deps: run as root, or install sudo, or run yourself: $*" >&2
        exit 1
    fi
}

# The newest Postgres that is installed here, or the one that would be.
postgres_version() {
    local installed
    installed=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -n | tail -n 1) || true
    echo "${installed:-$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')}"
}

# The services that these packages bring are not started: Satchel runs private ones, and other software here may
# rely on what runs now. Debian asks /usr/sbin/policy-rc.d before starting any (101: not allowed).
with_apt() {
    local package packages=() policy=/usr/sbin/policy-rc.d
    echo "deps: missing:" $needs >&2
    as_root apt-get update -q
    for package in $needs; do
        case $package in
            compiler) packages+=(build-essential) ;;
            postgres) packages+=(postgresql) ;;
            psql) packages+=(postgresql-client) ;;
            redis) packages+=(redis-server) ;;
            curl) packages+=(curl) ;;
            openssl) packages+=(openssl) ;;
            python) packages+=(python3) ;;
            faketime) packages+=(libfaketime) ;;
            rabbitmq) packages+=(rabbitmq-server) ;;
            mold) packages+=(mold) ;;
            plpgsql_check) packages+=("postgresql-$(postgres_version)-plpgsql-check") ;;
        esac
    done
    echo "deps: installing with apt-get: ${packages[*]}" >&2
    if [ ! -e "$policy" ]; then
        trap "as_root rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    # Nor is a database cluster made that nobody asked for.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "${packages[@]}"
}

with_brew() {
    local package packages=()
    for package in $needs; do
        case $package in
            compiler)
                echo "deps: no C compiler: run xcode-select --install, then try again" >&2
                exit 1
                ;;
            postgres) packages+=(postgresql@16) ;;
            psql) ;; # part of it
            redis) packages+=(redis) ;;
            curl) packages+=(curl) ;;
            openssl) packages+=(openssl@3) ;;
            python) packages+=(python3) ;;
            faketime) packages+=(libfaketime) ;;
            rabbitmq) packages+=(rabbitmq) ;;
        esac
    done
    if [ ${#packages[@]} -eq 0 ]; then return 0; fi
    echo "deps: installing with Homebrew: ${packages[*]}" >&2
    brew install "${packages[@]}"
}

if has apt-get; then
    with_apt
elif has brew; then
    with_brew
else
    echo "deps: this is neither Debian, Ubuntu nor a machine with Homebrew. Please install:" \
        "a C compiler, PostgreSQL 13 or newer with its server and client programs, Redis 6.2 or newer, curl;" \
        "for the tests also openssl, libfaketime, RabbitMQ 3.10 or newer and Python 3" >&2
    exit 1
fi

left=$(missing)
if [ -n "$left" ]; then
    echo "deps: still missing after the installation:" $left >&2
    exit 1
fi
