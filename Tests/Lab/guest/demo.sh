# The story of the first scenario, for a person to read; demo.py has the headings.
. /lab/vocabulary.sh

# Shows a command as it would be typed, then runs it.
show() {
    echo "# $*"
    "$@" 2>&1
}

section conflict
saw framebuffer "$(framebuffer_of $GPU)"
show apertured status
echo
show grep -E "$GPU|fb$" /proc/iomem

section failure
echo "# echo vfio-pci >/sys/bus/pci/devices/$GPU/driver_override"
echo "# echo $GPU >/sys/bus/pci/drivers_probe"
bind_by_hand $GPU
echo "# vfio-client $GPU"
client before
unbind_by_hand $GPU

section plan
show apertured plan $GPU

section claim
show apertured claim $GPU
saw exit $?

section success
echo "# vfio-client $GPU"
client after
echo
show apertured status
section done
