#!/bin/bash
# Throw-away test hosts: systemd-nspawn containers with a real systemd and a real OpenSSH, each in a network namespace.
#
#   export DIR=/path/to/scratch   # all files lie under it (no blanks, commas, colons in the path)
#   hosts.sh tree                 # the root tree that all hosts share, $DIR/tree: once, 30 s, needs a Debian mirror
#   hosts.sh up N...         # host N = gpuN = 10.77.0.(10+N), N = 1..200; returns when ssh logs in
#   hosts.sh down N...|all   # stop and wipe; no error when there is nothing
#   hosts.sh freeze N        # a wedged host: TCP still connects, nothing answers; `thaw N` ends it
#   hosts.sh status          # a line per host: name, address, state, pid of its PID 1
#   hosts.sh key             # path of the client key; users root and ops accept it
#   hosts.sh can             # whether `up` would work here
#
#   ssh -F $DIR/ssh_config gpu1 systemctl status          # then: ip link set gpudeck1 down|up, to cut the line
#
# `up N` of a host that was powered off, or lost in a crash, boots it again from its own disk; `down` wipes the disk.
#
# Environment: TREE (another tree), SUITE and PACKAGES (for `tree`), FILES (a folder laid over each new host's files),
# NSPAWN (more options of systemd-nspawn, split at blanks).
# Exit status: 0 done, 1 failed, 2 usage, 77 this machine cannot do it (the reason is on stderr).
# It touches only links, namespaces and control groups named gpudeck*, and of those only what REC says it made.
set -euo pipefail
umask 022
NET=10.77.0 BR=gpudeckbr REC=/run/gpudeck-hosts
SELF=$(readlink -f "$0")

say() { echo "hosts: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '4,21s/^# \{0,1\}//p' "$SELF" >&2; exit 2; }
cannot() { say "cannot run here: $*"; exit 77; }
need() { for c in "$@"; do command -v "$c" >/dev/null || cannot "$c is not installed"; done; }
owner() { cat "$REC/$1" 2>/dev/null || true; }      # the DIR that made host $1
mine() { local n; for n in $(ls "$REC" 2>/dev/null); do [ "$n" = bridge ] || [ "$(owner "$n")" != "$DIR" ] || echo "$n"; done; }

# A group of its own per host, in cgroup2 and (hybrid layout) in name=systemd: without it all hosts would share /payload.
cgroup2=/sys/fs/cgroup; [ -e $cgroup2/cgroup.procs ] || cgroup2=/sys/fs/cgroup/unified
groups() { echo $cgroup2/gpudeck"$1"; [ ! -e /sys/fs/cgroup/systemd/cgroup.procs ] || echo /sys/fs/cgroup/systemd/gpudeck"$1"; }
pids() { find $cgroup2/gpudeck"$1" -name cgroup.procs -exec cat {} + 2>/dev/null || true; }
freeze() { [ ! -e $cgroup2/gpudeck"$1"/cgroup.freeze ] || echo "$2" >$cgroup2/gpudeck"$1"/cgroup.freeze; }
pid1() { local p; for p in $(pids "$1"); do awk '/^NSpid/ && NF == 4 && $4 == 1 {print $2}' /proc/"$p"/status 2>/dev/null || true; done; }

permitted() {
  [ "$(id -u)" = 0 ] || cannot "needs root"
  need systemd-nspawn unshare ip ssh ssh-keygen flock setsid
  [ -w $cgroup2/cgroup.procs ] || cannot "no writable cgroup2 under /sys/fs/cgroup"
  local why; why=$(unshare --mount --net --pid --fork --mount-proc true 2>&1) || cannot "namespaces not permitted ($why)"
  exec 9>$REC.lock; flock -w 120 9 || die "another hosts.sh holds $REC.lock"
}

tree() {
  [ "$(id -u)" = 0 ] || cannot "needs root"
  need mmdebstrap
  [ ! -e "$TREE" ] || { say "$TREE is there"; return; }
  mkdir -p "$(dirname "$TREE")"; rm -rf --one-file-system "$TREE.new"
  mmdebstrap --quiet --variant=minbase \
    --include=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,procps,python3,curl,sudo"${PACKAGES:+,$PACKAGES}" \
    --customize-hook='rm -f "$1"/etc/hostname "$1"/etc/ssh/ssh_host_*; chroot "$1" useradd -m -s /bin/bash ops' \
    "${SUITE:-bookworm}" "$TREE.new" >&2 || die "mmdebstrap failed"
  printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'AuthorizedKeysFile /etc/ssh/authorized_keys' \
    'PasswordAuthentication no' 'UseDNS no' >"$TREE.new/etc/ssh/sshd_config.d/gpudeck.conf"
  mv "$TREE.new" "$TREE"
}

key() {
  mkdir -p "$DIR"
  [ -e "$DIR/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C gpudeck-test -f "$DIR/id_ed25519"
  echo "Include $DIR/hosts/*/ssh_config" >"$DIR/ssh_config"
  echo "$DIR/id_ed25519"
}

unplug() { ip link del gpudeck"$1" 2>/dev/null || true; ip netns del gpudeck"$1" 2>/dev/null || true; }

bridge() {
  if ! ip link show $BR >/dev/null 2>&1; then
    [ -z "$(ip route show root $NET.0/24)" ] || die "$NET.0/24 is in use on this machine"
    echo "$DIR" >$REC/bridge; ip link add $BR address 02:67:70:75:00:00 type bridge
  fi
  [ -e $REC/bridge ] || die "a link $BR exists that this script did not make"
  ip addr replace $NET.1/24 dev $BR; ip link set $BR up
}

start() {
  local n=$1 h=gpudeck$1 w=$DIR/hosts/$1 o c; o=$(owner "$n")
  if [ "$o" = "$DIR" ]; then
    [ -z "$(pids "$n")" ] || { say "gpu$n is up"; return; }
    unplug "$n"
  else
    [ -z "$o" ] || die "gpu$n belongs to DIR=$o"
    [ ! -e /run/netns/"$h" ] && ! ip link show "$h" >/dev/null 2>&1 || die "a namespace or link $h exists that this script did not make"
    mkdir -p $REC; echo "$DIR" >$REC/"$n"
  fi
  started+=("$n")
  bridge
  ip netns add "$h"
  ip link add "$h" type veth peer name eth0 address "$(printf 02:67:70:75:00:%02x "$n")" netns "$h"   # fixed: no stale ARP entries
  ip link set "$h" master $BR up
  ip -n "$h" addr add $NET.$((10 + n))/24 dev eth0; ip -n "$h" link set eth0 up; ip -n "$h" link set lo up
  mkdir -p "$w"/{work,root,up/etc/ssh}
  if [ ! -e "$w/ssh_config" ]; then
    echo "gpu$n" >"$w/up/etc/hostname"; md5sum <<<"gpudeck$n" | cut -c1-32 >"$w/up/etc/machine-id"
    rm -f "$w"/up/etc/ssh/*; ssh-keygen -q -t ed25519 -N '' -C "gpu$n" -f "$w/up/etc/ssh/ssh_host_ed25519_key"
    cp "$DIR/id_ed25519.pub" "$w/up/etc/ssh/authorized_keys"
    [ -z "${FILES:-}" ] || cp -R "$FILES"/. "$w/up/"
    echo "$NET.$((10 + n)) $(cat "$w/up/etc/ssh/ssh_host_ed25519_key.pub")" >"$w/known_hosts"
    printf '%s\n' "Host gpu$n" " HostName $NET.$((10 + n))" " User root" " IdentityFile $DIR/id_ed25519" " IdentitiesOnly yes" \
      " UserKnownHostsFile $w/known_hosts" >"$w/ssh_config"
  fi
  # Its own mount and process namespaces: when `unshare` ends, however it ends, the kernel ends the host and drops its mounts.
  ( for c in $(groups "$n"); do mkdir -p "$c"; echo 0 >"$c/cgroup.procs"; done
    exec setsid unshare --mount --pid --fork --kill-child --mount-proc "$SELF" _run "$n" ) </dev/null >>"$w/console.log" 2>&1 9>&- &
  supervisor[n]=$!; disown
}

_run() {
  local w=$DIR/hosts/$1 rc
  mkdir -p /run/systemd/nspawn; mount -t tmpfs tmpfs /run/systemd/nspawn      # its notes on this host go with this process
  mount -t overlay -o "lowerdir=$TREE,upperdir=$w/up,workdir=$w/work" overlay "$w/root"
  while :; do
    rc=0
    systemd-nspawn -q -D "$w/root" -M "gpu$1" --hostname="gpu$1" --network-namespace-path=/run/netns/gpudeck"$1" \
      --register=no --keep-unit --console=pipe --resolv-conf=off --timezone=off --link-journal=no ${NSPAWN:-} -b || rc=$?
    [ $rc = 133 ] || exit $rc      # 133: the host asked for a reboot
  done
}

ready() {
  local n=$1 w=$DIR/hosts/$1 end=$((SECONDS + 60))
  until ssh -n -F "$DIR/ssh_config" -o BatchMode=yes -o ConnectTimeout=2 "gpu$n" true 2>"$w/ssh.err"; do
    [ -z "${supervisor[n]:-}" ] || kill -0 "${supervisor[n]}" 2>/dev/null || cannot "gpu$n ended: $(tail -n 2 "$w/console.log")"
    [ $SECONDS -lt $end ] || die "gpu$n: no login in 60 s: $(cat "$w/ssh.err"); console: $(tail -n 5 "$w/console.log")"
    sleep 0.1
  done
}

stop() {
  local n=$1 o i p c; o=$(owner "$n")
  [ -n "$o" ] || { say "gpu$n: nothing to do"; return 0; }
  [ "$o" = "$DIR" ] || die "gpu$n belongs to DIR=$o"
  freeze "$n" 0
  for ((i = 0; i < 200; i++)); do
    p=$(pids "$n"); [ -n "$p" ] || break
    kill -KILL $p 2>/dev/null || true; sleep 0.05
  done
  [ -z "$p" ] || die "gpu$n: these processes do not end: $p"
  for c in $(groups "$n"); do [ ! -d "$c" ] || find "$c" -depth -type d -exec rmdir {} \; ; done
  unplug "$n"
  rm -rf --one-file-system "$DIR/hosts/$n"; rm -f $REC/"$n"
  [ "$(ls $REC)" != bridge ] || { ip link del $BR 2>/dev/null || true; rm -f $REC/bridge; }
  rmdir $REC 2>/dev/null || true
}

status() {
  local n s
  for n in $(ls $REC 2>/dev/null | sort -n); do
    [ "$n" != bridge ] || continue
    s=off; [ -z "$(pids "$n")" ] || s=running
    [ "$(cat $cgroup2/gpudeck"$n"/cgroup.freeze 2>/dev/null)" != 1 ] || s=frozen
    echo "gpu$n $NET.$((10 + n)) $s pid=$(pid1 "$n") dir=$(owner "$n")"
  done
}

verb=${1:-}; shift || true
[ -n "$verb" ] || usage
[ -n "${DIR:-}" ] || { say "set DIR to a scratch folder"; usage; }
DIR=$(realpath -m "$DIR"); TREE=$(realpath -m "${TREE:-$DIR/tree}"); export DIR TREE
case $DIR$TREE in *[[:space:],:\\]*) die "no blanks, commas, colons or backslashes in DIR and TREE";; esac
case $verb in up | down | freeze | thaw)
  [ $# -gt 0 ] || usage
  for n in "$@"; do [ "$verb $n" = "down all" ] || { [[ $n =~ ^[1-9][0-9]{0,2}$ ]] && [ "$n" -le 200 ]; } || usage; done
esac
started=() supervisor=()
case $verb in
  tree) tree ;;
  key) key ;;
  status) status ;;
  can) permitted; [ -d "$TREE/usr" ] || cannot "there is no tree at $TREE" ;;
  up)
    permitted; [ -d "$TREE/usr" ] || cannot "there is no tree at $TREE"
    key >/dev/null
    trap 'rc=$?; trap - EXIT; [ $rc = 0 ] || for n in "${started[@]}"; do stop "$n"; done; exit $rc' EXIT
    trap 'exit 130' INT TERM HUP
    for n in "$@"; do start "$n"; done
    for n in "$@"; do ready "$n"; done ;;
  down)
    permitted
    [ "$*" != all ] || set -- $(mine)
    for n in "$@"; do stop "$n"; done ;;
  freeze | thaw)
    for n in "$@"; do
      [ "$(owner "$n")" = "$DIR" ] || die "gpu$n is not a host of DIR=$DIR"
      [ $verb = freeze ] && freeze "$n" 1 || freeze "$n" 0
    done ;;
  _run) _run "$@" ;;
  *) usage ;;
esac
