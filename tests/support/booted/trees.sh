#!/bin/sh
# Builds the root trees that the tests' hosts run on, where the tests look for them: each once, half a minute.
# Prints the name of every tree that a host can boot from here.
set -eu
hosts=$(dirname "$0")/hosts.sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpudeck-tests
DIR=$(mktemp -d)
export DIR
trap 'rm -rf "$DIR"' EXIT

build() {
    tree=$1; shift
    if env "$@" TREE="$cache/$tree" "$hosts" tree && TREE="$cache/$tree" "$hosts" can; then echo "$tree"; fi
}
build debian
build debian-13 SUITE=trixie \
    PACKAGES=podman,crun,netavark,catatonit,iptables,docker-cli,docker-compose
