#!/bin/sh
# What gpudeck may do as root on @HOST@: the commands listed below, and of drop-ins those that change nothing of a
# unit but its variables and arguments. Put it into @PATH@, owner root, mode 755;
# and this line into /etc/sudoers.d/gpudeck by `visudo -f`:
#   @SUDOERS@
# Print it again when units come or go.@LEFT_OUT@
set -euf
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
umask 022
token='@TOKEN@'

refuse() {
    printf 'gpudeck-root: %s\n' "$1" >&2
    exit 126
}

check_user() {
    [ "$(systemctl show --property=DynamicUser --value -- "$1")" = yes ] && return
    user=$(systemctl show --property=User --value -- "$1")
    [ "$(id -u -- "${user:-root}" 2>/dev/null || echo 0)" != 0 ] ||
        refuse "$1 runs as root, so whoever chooses its arguments is root; give it a User= of its own."
}

own_program() {
    systemctl cat -- "$1" | awk '
        /^# \// { ours = /\/@OVERLAY@$/ }
        !ours && sub(/^ExecStart=[ \t]*/, "") && NF { program = $1 }
        END { print program }'
}

check_overlay() {
    program=$(own_program "$1") awk '
        function wrong(why) { print "line " NR " of the drop-in " why "."; exit 1 }
        BEGIN {
            program = plain = ENVIRON["program"]
            sub(/^[-@:+!|]*/, "", plain)
            prefix = substr(program, 1, length(program) - length(plain))
        }
        /\\$/ { wrong("goes on in the next") }
        /^$/ || /^#/ || /^\[Service\]$/ || /^Environment=/ || /^UnsetEnvironment=/ || /^ExecStart=$/ { next }
        sub(/^ExecStart=/, "") {
            for (i = 1; i <= NF; i++) if ($i == ";") wrong("has several commands")
            ran = $1
            if (ran == prefix "/usr/bin/env" && ran != program) {
                for (i = 2; $i ~ /^[A-Za-z_][A-Za-z0-9_]*=[^"]*$/; i++) ;
                ran = prefix $i
            }
            if (ran != program || plain !~ /^[A-Za-z0-9_.\/-]+$/) wrong("runs another program than the unit")
            next
        }
        { wrong("says what no drop-in of gpudeck says") }'
}

dry=
if [ "${1-}" = allows ]; then
    dry=yes
    shift
fi
for word; do
    case $word in *'|'*) refuse "no word may hold a bar." ;; esac
done
IFS='|'
case "$*" in
@ALLOWED@) ;;
*) refuse "it is not to run: $*" ;;
esac
unset IFS
[ -z "$dry" ] || exit 0
case "$1 ${2-}" in
'tee /etc/systemd/system/'*'.service.d/@OVERLAY@.new')
    unit=${2#/etc/systemd/system/}
    unit=${unit%.d/*}
    check_user "$unit"
    text=$(cat)
    why=$(printf '%s\n' "$text" | check_overlay "$unit") || refuse "$unit: $why"
    printf '%s\n' "$text" | tee "$2"
    ;;
*) exec "$@" ;;
esac
