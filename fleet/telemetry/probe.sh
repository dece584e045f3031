# What a GPU host's kernel says about its GPUs and the processes on them. POSIX sh: dash, busybox ash, bash.
#
# Read-only: it writes no file, and opens neither /dev/kfd nor /dev/dri nor any vendor's tool. Files under /sys that
# cost the driver something to answer (pcie_bw sleeps for a second) are not read.
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
#   @devices                     PCI/FILE:TEXT
#   @poll PCI FILE...            the columns of that GPU's row in each frame
#   @frame N UPTIME
#   gpu PCI VALUE...             - where the driver refused to say
#   pid PID GPU_ID=BYTES...      every process that has the driver open; zeros left out
#   @who                         PID/stat:... PID/cgroup:... PID/comm:... PID/cmdline:..., for new processes
#   @end N                       a frame without it is not whole
#
# Short files are read by the shell itself: starting a program costs more than all of them together.

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
    grep -asH '' proc/sys/kernel/random/boot_id
    say @kfd
    (cd $kfd/topology/nodes && grep -asHE '^[0-9]+$|^(domain|location_id|unique_id|size_in_bytes) ' \
        */gpu_id */properties */mem_banks/0/properties)
    say @devices
    (cd $pci && grep -asH '' */mem_info_vram_total */unique_id */product_name \
        */hwmon/hwmon*/temp[123]_label */hwmon/hwmon*/power1_cap)
    choose_polled
    known=' '
}

choose_polled() {
    polled=
    for total in $pci/*/mem_info_vram_total; do
        [ -e "$total" ] || continue # an unmatched pattern stays as it is
        device=${total%/*}
        polled="$polled ${device##*/}:"
        columns=
        for file in "$device"/mem_info_vram_used "$device"/gpu_busy_percent "$device"/hwmon/hwmon*/temp[123]_input \
            "$device"/hwmon/hwmon*/power1_input "$device"/hwmon/hwmon*/power1_average; do
            [ -e "$file" ] || continue
            polled="$polled $file"
            columns="$columns ${file#"$device"/}"
        done
        say "@poll ${device##*/}$columns"
    done
}

read_gpus() {
    for word in $polled; do
        case $word in
        *:) frame="$frame${newline}gpu ${word%:}" ;;
        *)
            read -r value <"$word" || value=-
            frame="$frame $value"
            ;;
        esac
    done
}

read_processes() {
    pids=
    new=
    for directory in $kfd/proc/[0-9]*; do
        [ -d "$directory" ] || continue
        pid=${directory##*/}
        pids="$pids $pid"
        case $known in *" $pid "*) ;; *) new="$new $pid" ;; esac
        frame="$frame${newline}pid $pid"
        for file in "$directory"/vram_* "$directory"/context_*/vram_*; do
            read -r value <"$file" && [ "$value" != 0 ] && frame="$frame ${file##*_}=$value"
        done
    done
    [ $((count % 15)) = 0 ] && new=$pids # names change: servers retitle themselves once they are up
    known="$pids "
}

identify() {
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

{
    count=0
    describe_host
    while :; do
        read -r now <$kfd/topology/generation_id && [ "$now" != "$generation" ] && describe_host
        read -r uptime rest <proc/uptime
        frame="@frame $count $uptime"
        read_gpus
        read_processes
        say "$frame"
        [ -z "$new" ] || identify
        say "@end $count"
        count=$((count + 1))
        read -r request || exit 0
    done
} 2>/dev/null
