# What a claim, a release and an idle guard cost, beside the bare writes of a claim and beside a start of the program.
# No figure fails the scenario; a claim or a release that does not succeed does.
. /lab/vocabulary.sh
. /lab/faults.sh

rounds=7

# timed NAME COMMAND…: the time goes to /run/NAME.us; a failure is counted and shown.
timed() {
    name=$1
    shift
    : >/run/said
    /lab/speed time /run/$name.us "$@" && return
    echo "$* ended with status $?:"
    sed 's/^/| /' /run/said
    wrong=$((wrong + 1))
}

# figure NAME: the median, in microseconds, for the harness; kept as a variable of that name.
figure() {
    median=$(sort -n /run/$1.us | sed -n $((rounds / 2 + 1))p)
    echo "$1: $(sort -n /run/$1.us | tr '\n' ' ')us"
    saw $1-us $median
    eval "$1=$median"
}

ms() { awk -v n=$1 'BEGIN { printf "%.0f ms", n / 1000 }'; }
ratio() { awk -v a=$1 -v b=$2 'BEGIN { printf "%.1f", a / b }'; }

section speed
saw framebuffer "$(framebuffer_of $GPU)"
saw before -
framebuffer=efi-framebuffer.0
state >/run/state

# Not counted: the first of each reads the programs into the page cache.
timeout 100 apertured claim $GPU --json $OPTIONS >/run/claim.json 2>/run/claim.err
saw exit $?
cat /run/claim.err
echo "@@json $(tr '\n' ' ' </run/claim.json)"
$CLIENT after
apertured_exits 0 release $GPU
expect "the bare writes succeed" /lab/bare-writes claim $GPU $framebuffer
expect_driver $GPU $DRIVER
expect "and their undoing" /lab/bare-writes release $GPU $framebuffer
expect "everything is as it was" same /run/state state

section rounds
wrong=0
round=0
while [ $round -lt $rounds ]; do
    round=$((round + 1))
    timed start true
    timed version apertured --version
    timed plan apertured plan $GPU $OPTIONS
    timed claim apertured claim $GPU $OPTIONS
    [ "$(driver_of $GPU)" = $DRIVER ] || wrong=$((wrong + 1))
    timed release apertured release $GPU
    timed writes /lab/bare-writes claim $GPU $framebuffer
    [ "$(driver_of $GPU)" = $DRIVER ] || wrong=$((wrong + 1))
    /lab/bare-writes release $GPU $framebuffer || wrong=$((wrong + 1))
done
expect "every command of $rounds rounds did its work (failures: $wrong)" [ $wrong = 0 ]
for name in start version plan claim release writes; do figure $name; done

section guard
: >/run/said
/lab/speed idle 5 6 apertured guard $GPU $OPTIONS >/run/idle
status=$?
[ $status = 0 ] || sed 's/^/| /' /run/said
expect "the guard claims, tells its watchdog that it is alive, and ends when it is told to" [ $status = 0 ]
read resident anonymous wakeups messages </run/idle
saw guard-rss-kib $resident
saw guard-anon-kib $anonymous
saw guard-wakeups $wakeups
saw guard-watchdogs $messages
apertured_exits 0 release $GPU
echo "claim $(ms $claim): $(ratio $claim $version) × --version, $(ratio $claim $writes) × the bare writes"
echo "release $(ms $release): $(ratio $release $version) × --version"
echo "guard: VmRSS $resident KiB, RssAnon $anonymous KiB, $wakeups wake-ups in $messages intervals of the watchdog"
expect_start ", claim $(ratio $claim $version) × --version, guard $(ratio ${resident:-0} 1024) MiB"
section done
