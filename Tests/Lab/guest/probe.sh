# One boot of its own for the probe where it changes things: vfio-pci evicts by itself on class 0300 since 6.0, and what
# it evicted does not come back before the next boot.
. /lab/vocabulary.sh

section before
show_iomem
saw framebuffer "$(framebuffer_of $GPU)"
bind_by_hand $GPU
$CLIENT before
section done
