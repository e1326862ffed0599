"""A small client for QEMU's control socket (QMP): one command at a time, events kept until asked for."""

import json
import socket


class QMP:
    """A connection; use as a context manager."""

    def __init__(self, path, timeout=10):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rw", encoding="utf-8")
        self.events = []
        self._read()  # the greeting
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._socket.close()

    def execute(self, command, **arguments):
        """The command's return value; raises RuntimeError with QEMU's words if it refused."""
        json.dump({"execute": command, "arguments": arguments}, self._stream)
        self._stream.write("\n")
        self._stream.flush()
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            self.events.append(answer)

    def wait_for(self, event):
        """The data of the next event of that name, from those kept or the socket."""
        while True:
            for index, kept in enumerate(self.events):
                if kept.get("event") == event:
                    return self.events.pop(index).get("data", {})
            self.events.append(self._read())

    def _read(self):
        line = self._stream.readline()
        if not line:
            raise ConnectionError("QEMU closed the control socket")
        return json.loads(line)
