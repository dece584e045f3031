# What a GPU host's kernel says about its GPUs and the processes on them. POSIX sh: dash, busybox ash, bash.
#
# Read-only: it writes no file, and opens neither /dev/kfd nor /dev/dri. Files under /sys that cost the driver
# something to answer (pcie_bw sleeps for a second) are not read. Where there is no amdgpu but NVIDIA's driver, one
# nvidia-smi runs for as long as the probe does and tells once a second.
#
# It comes in on the standard input of `exec sh -s` and prints what does not change, then one frame, then one more
# frame for each further line of input. It ends when its input does, so it cannot outlive its connection, and costs
# nothing while nobody asks. `sh -s <probe.sh` prints one frame.
#
# PROBE_ROOT, if set, is where proc and sys are looked for. All names below are relative to it.
#
#   @host 1 GENERATION           version of this format; the kernel's count of changes to its GPU topology
#   proc/...:TEXT                grep's lines: file and content
#   @kfd                         N/gpu_id:... N/properties:KEY VALUE N/mem_banks/0/properties:KEY VALUE
#   @devices                     PCI/FILE:TEXT; of PCI/drm/card1: and the like, only that they are there
#   @poll PCI FILE...            the columns of that GPU's row in each frame
#   @nvidia FIELD,...            of NVIDIA's GPUs, where nvidia-smi tells of them
#   @frame N UPTIME
#   gpu PCI VALUE...             - where the driver refused to say, z of a GPU that is asleep and would be woken
#   pid PID GPU_ID=BYTES...      every process that has the driver open; zeros left out; a word `gone` where it is not
#                                (or not to us) in /proc any more
#   nv VALUE, ...                nvidia-smi's own lines, none where it has told nothing since the last frame
#   app UUID, PID, MIB           its compute applications, asked for every fifth second
#   @who                         PID/stat:... PID/cgroup:... PID/comm:... PID/cmdline:..., for new processes
#   @end N                       a frame without it is not whole
#
# What is slow to change, or slow to answer, follows a frame's end and belongs to the frames after it:
#
#   @state                       FILE:TEXT of processes' states and evictions, and of sensors that matter less
#   @metrics BYTES               the first BYTES of each GPU's gpu_metrics under a heading of its name, as od's words
#   @rare                        PCI/FILE:TEXT again, of what counts errors
#   @links                       TYPE FROM TO WEIGHT MB/S of the topology's links, node to node; told once
#
# Short files are read by the shell itself: starting a program costs more than all of them together. Of a process
# that holds memory, only what it held last is read, and everything again in one frame of eight.

LC_ALL=C
export LC_ALL
unset IFS
cd "${PROBE_ROOT:-/}" || exit 3

kfd=sys/class/kfd/kfd
pci=sys/bus/pci/devices
newline='
'

say() { # ends the probe when its reader is gone, even where SIGPIPE is ignored
    printf '%s\n' "$1" || exit 0
}

describe_host() {
    read -r generation <$kfd/topology/generation_id || generation=-
    say "@host 1 $generation"
    grep -asH '' proc/sys/kernel/random/boot_id proc/sys/kernel/osrelease sys/module/amdgpu/version
    say @kfd
    (cd $kfd/topology/nodes && grep -asHE \
        '^[0-9]+$|^(domain|location_id|unique_id|drm_render_minor|device_id|size_in_bytes) ' \
        */gpu_id */properties */mem_banks/0/properties)
    list_gpus
    say @devices
    [ -z "$described" ] || (cd $pci && grep -asH '' $described)
    for file in $pci/*/drm/card[0-9]* $pci/*/drm/renderD*; do
        [ -e "$file" ] && say "${file#$pci/}:"
    done
    for gpu in $gpus; do
        list_columns
    done
    for pid in $known; do
        unset "held_$pid"
    done
    known=' '
    slow_due=0
    rare_due=0
    who_due=0
    linked=
}

list_gpus() { # and their files, as patterns; other devices may be slow to answer for files of the same names
    gpus=
    described=
    polled=
    slow=
    metrics=
    rare=
    for file in $pci/*/mem_info_vram_total; do
        [ -e "$file" ] || continue # an unmatched pattern stays as it is
        gpu=${file%/*}
        gpu=${gpu##*/}
        gpus="$gpus $gpu"
        described="$described $gpu/mem_info_vram_total $gpu/unique_id $gpu/product_name $gpu/current_*_partition"
        described="$described $gpu/hwmon/hwmon*/temp[123]_label $gpu/hwmon/hwmon*/temp[123]_crit"
        described="$described $gpu/hwmon/hwmon*/power1_cap"
        slow="$slow $pci/$gpu/mem_info_gtt_used $pci/$gpu/mem_busy_percent $pci/$gpu/hwmon/hwmon*/temp3_input"
        slow="$slow $pci/$gpu/hwmon/hwmon*/freq1_input"
        rare="$rare $gpu/ras/umc_err_count $gpu/ras/gfx_err_count $gpu/ras/sdma_err_count $gpu/ras/mmhub_err_count"
        rare="$rare $gpu/ras/xgmi_wafl_err_count $gpu/ras/gpu_vram_bad_pages $gpu/hwmon/hwmon*/power1_cap"
        [ -e "$pci/$gpu/gpu_metrics" ] && metrics="$metrics $pci/$gpu/gpu_metrics"
    done
    # Formats 1.3 to 1.8 say all we want in their first 356 bytes; 1.9 is a list, to be read to its end.
    case $(head -qc 4 $metrics </dev/null | od -An -v -tx4) in
    *0901*) table_bytes=1408 ;;
    *) table_bytes=356 ;;
    esac
}

list_columns() {
    polled="$polled $gpu:"
    read -r control <$pci/$gpu/power/control && [ "$control" = auto ] && polled="$polled $pci/$gpu/power/runtime_status"
    columns=
    for file in $pci/$gpu/mem_info_vram_used $pci/$gpu/gpu_busy_percent $pci/$gpu/hwmon/hwmon*/temp[12]_input \
        $pci/$gpu/hwmon/hwmon*/power1_input $pci/$gpu/hwmon/hwmon*/power1_average; do
        [ -e "$file" ] || continue
        polled="$polled $file"
        columns="$columns ${file#$pci/$gpu/}"
    done
    say "@poll $gpu$columns"
}

read_gpus() {
    anybody_sleeps=
    for word in $polled; do
        case $word in
        *:)
            frame="$frame${newline}gpu ${word%:}"
            status=active
            ;;
        */runtime_status)
            read -r status <"$word" || status=active
            [ "$status" = active ] || anybody_sleeps=yes
            ;;
        *)
            if [ "$status" = active ] || [ "${word##*/}" = mem_info_vram_used ]; then
                read -r value <"$word" || value=-
            else
                value=z
            fi
            frame="$frame $value"
            ;;
        esac
    done
}

read_processes() {
    pids=
    new=
    turn=$count
    for directory in $kfd/proc/[0-9]*; do
        pid=${directory##*/}
        case $pid in *[!0-9]*) continue ;; esac
        pids="$pids $pid"
        case $known in *" $pid "*) eval "files=\$held_$pid" ;; *)
            new="$new $pid"
            files=
            ;;
        esac
        turn=$((turn + 1))
        if [ -z "$files" ] || [ $((turn % 8)) = 0 ]; then
            files="$directory/vram_* $directory/context_*/vram_*"
        fi
        frame="$frame${newline}pid $pid"
        [ -d "proc/$pid" ] || frame="$frame gone"
        held=
        for file in $files; do
            read -r value <"$file" && [ "$value" != 0 ] || continue
            frame="$frame ${file##*_}=$value"
            held="$held $file"
        done
        eval "held_$pid=\$held"
    done
    [ "$known" = "$pids " ] || forget_processes
    known="$pids "
}

forget_processes() {
    for pid in $known; do
        case "$pids " in *" $pid "*) ;; *) unset "held_$pid" ;; esac
    done
}

identify() { # names change: servers retitle themselves once they are up
    if [ "$now" -ge "$who_due" ]; then
        new=$pids
        who_due=$((now + 60))
    elif [ -n "$new" ] && [ "$who_due" -gt $((now + 10)) ]; then
        who_due=$((now + 10))
    fi
    [ -n "$new" ] || return
    short=
    long=
    for pid in $new; do
        short="$short $pid/stat $pid/cgroup $pid/comm"
        long="$long $pid/cmdline"
    done
    say @who
    # head bounds what a process with a huge command line can make us send
    (cd proc && grep -asH '' $short $long | tr '\000' ' ' | head -c 262144)
    say ''
}

read_slow() {
    if [ "$now" -ge "$slow_due" ]; then
        slow_due=$((now + 10))
        files=
        for pid in $pids; do
            files="$files proc/$pid/status"
            eval "held=\$held_$pid"
            for file in $held; do
                files="$files ${file%/*}/stats_${file##*_}/evicted_ms"
            done
        done
        say @state
        [ -z "$files$slow" ] || grep -asHE '^State:|^[0-9]+$' $files $slow
        if [ -n "$metrics" ]; then
            say "@metrics $table_bytes"
            head -vc $table_bytes $metrics | od -An -v -tx4
        fi
    fi
    [ -n "$linked" ] || list_links
    if [ "$now" -ge "$rare_due" ] && [ -n "$rare" ]; then
        rare_due=$((now + 60))
        say @rare
        (cd $pci && grep -asH '' $rare)
        for file in $pci/*/ras/gpu_vram_bad_pages; do
            [ -e "$file" ] && say "${file#$pci/}:" # of an empty file grep says nothing
        done
    fi
}

list_links() {
    linked=yes
    say @links
    (cd $kfd/topology/nodes && grep -ashE '^(type|node_from|node_to|weight|max_bandwidth) [0-9]+$' \
        */io_links/*/properties */p2p_links/*/properties) |
        while read -r key value; do
            case $key in
            type) link=$value ;;
            max_bandwidth) say "$link $value" ;;
            *) link="$link $value" ;;
            esac
        done
}

answer_requests() {
    while :; do
        read -r at <$kfd/topology/generation_id && [ "$at" != "$generation" ] && describe_host
        read -r uptime rest <proc/uptime
        now=${uptime%%.*}
        frame="@frame $count $uptime"
        read_gpus
        read_processes
        say "$frame"
        identify
        say "@end $count"
        [ -n "$anybody_sleeps" ] || read_slow
        count=$((count + 1))
        read -r request || exit 0
    done
}

find_nvidia() { # and what to ask of it: one field that a driver does not know spoils a whole query
    [ -z "$polled" ] && [ -e proc/driver/nvidia/version ] && [ -n "$(command -v nvidia-smi)" ] || return
    core=index,uuid,pci.bus_id,name,memory.total,memory.used,memory.free,utilization.gpu,temperature.gpu,power.draw
    more=power.limit,utilization.memory,temperature.memory,clocks.current.sm,clocks.current.memory,mig.mode.current
    more=$more,ecc.errors.corrected.volatile.total,ecc.errors.uncorrected.volatile.total
    for fields in $core,$more,clocks_event_reasons.active $core,$more,clocks_throttle_reasons.active $core; do
        rows=$(ask_nvidia gpu "$fields") && break
    done
    say "@nvidia $fields"
}

ask_nvidia() { # what, its fields, and how often in seconds if more than once
    exec nvidia-smi "--query-$1=$2" --format=csv,noheader,nounits ${3:+-l "$3"} </dev/null
}

follow_nvidia() {
    {
        printf '%s\n?\n' "$rows"
        ask_nvidia gpu "$fields" 1 &
        while read -r request && printf '?\n'; do :; done
        kill $!
    } | {
        rows=
        apps_due=0
        while IFS= read -r line; do
            if [ "$line" = '?' ]; then
                tell_nvidia
            elif [ -n "$line" ]; then
                rows="$rows${newline}nv $line"
            fi
        done
    }
}

tell_nvidia() {
    read -r uptime rest <proc/uptime
    now=${uptime%%.*}
    new=
    [ "$now" -lt "$apps_due" ] || list_applications
    say "@frame $count $uptime$rows$apps"
    rows=
    identify
    say "@end $count"
    count=$((count + 1))
}

list_applications() {
    apps_due=$((now + 5))
    apps=
    pids=
    listed=$(ask_nvidia compute-apps gpu_uuid,pid,used_gpu_memory)
    IFS=$newline
    for line in $listed; do
        pid=${line#*, }
        pid=${pid%%,*}
        case $pid in '' | *[!0-9]*) continue ;; esac
        apps="$apps${newline}app $line"
        case "$pids " in *" $pid "*) ;; *) pids="$pids $pid" ;; esac
        case $known in *" $pid "*) ;; *) new="$new $pid" ;; esac
    done
    unset IFS
    known="$pids "
}

{
    count=0
    known=
    describe_host
    if find_nvidia; then
        follow_nvidia
    else
        answer_requests
    fi
} 2>/dev/null
