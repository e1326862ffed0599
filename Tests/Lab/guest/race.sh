# No claim: the one thing in it that is a race, by itself and many times. The native driver is loaded and waits for a
# card; the rescan brings one.
. /lab/vocabulary.sh
. /lab/faults.sh

section race
saw framebuffer "$(framebuffer_of $GPU)"
saw before -
saw exit -
saw after -
# Never under a bound framebuffer: it would go on writing to the old address.
evict_by_hand
load_native_idle
/lab/rescan-race $GPU guarded 30 bochs-drm >/run/guarded
expect "the guarded way ran" [ $? = 0 ]
cat /run/guarded
/lab/rescan-race $GPU plain 10 bochs-drm >/run/plain
expect "the plain way ran" [ $? = 0 ]
cat /run/plain
won=$(cut -d ' ' -f 1 /run/guarded)
expect "the guarded way wins at least 25 of 30 rounds" [ "$won" -ge 25 ]
saw then "won $(cat /run/guarded); plainly $(cat /run/plain)"
section done
