"""What a guest asks of the machine it runs in: cards pulled and plugged while it looks.

A line `@@qmp COMMAND NAME=VALUE…` of the report is one QMP command. Its end is seen in the guest, not awaited here.
"""

from qmp import QMP

WORD = "@@qmp "


def obey(line, socket):
    """Does what the line asks for; returns the sentence that did not come true, or None."""
    if not line.startswith(WORD):
        return None
    command, *pairs = line[len(WORD):].split()
    try:
        with QMP(socket) as qemu:
            qemu.execute(command, **dict(pair.split("=", 1) for pair in pairs))
    except (OSError, RuntimeError, ValueError) as error:
        return f"QEMU does as it is asked: {error}"
    return None
