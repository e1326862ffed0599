# The scenario nearly all are instances of: probe by hand, claim, look again.
. /lab/vocabulary.sh
. /lab/faults.sh
. /lab/own-modules.sh

section before
eval "$GIVEN"
show_iomem
saw framebuffer "$(framebuffer_of $GPU)"
if [ "$BEFORE" != - ]; then
    bind_by_hand $GPU
    $CLIENT before
    unbind_by_hand $GPU
fi

section claim
eval "$MEANWHILE"
bars_of $GPU >/run/gpu-bars
state >/run/state
framebuffers_elsewhere /run/gpu-bars >/run/elsewhere
apertured status
timeout 100 apertured claim $GPU --json $OPTIONS >/run/claim.json 2>/run/claim.err
status=$?
cat /run/claim.err
echo "@@json $(tr '\n' ' ' </run/claim.json)"
saw exit $status

section after
show_iomem
if [ "$(driver_of $GPU)" = $DRIVER ]; then $CLIENT after; else saw after -; fi
expect "no framebuffer outside the GPU changed" same /run/elsewhere framebuffers_elsewhere /run/gpu-bars
if [ $status = 3 ]; then
    expect "a refusal touched nothing: links, overrides, iomem" same /run/state state
fi
eval "$FINALLY"
section done
