"""The last full run, kept beside its logs, and its place in the README."""

import json
import os
import re
import sys

import table

BEGIN = "<!-- lab table: made by make lab-table -->"
END = "<!-- end of lab table -->"


def keep(logs, rows, summary):
    """Only a run of every scenario is kept: half a table must not replace a whole one."""
    with open(_path(logs), "w", encoding="utf-8") as stream:
        json.dump({"rows": rows, "summary": summary}, stream, indent=1)


def show(logs, readme=None):
    """Prints the table as Markdown, or replaces what is between the marks in `readme`. Returns the exit status."""
    try:
        with open(_path(logs), encoding="utf-8") as stream:
            kept = json.load(stream)
    except FileNotFoundError:
        sys.exit(f"lab: no full run is kept in {os.path.relpath(logs)}: `lab run` makes one")
    text = f"{table.markdown(kept['rows'])}\n\n{kept['summary'][:1].upper()}{kept['summary'][1:]}."
    if readme is None:
        print(text)
        return 0
    with open(readme, encoding="utf-8") as stream:
        old = stream.read()
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(place.findall(old)) != 1:
        sys.exit(f"lab: {readme} must hold these two lines once each, in this order:\n{BEGIN}\n{END}")
    # A function, because a replacement string would have its backslashes read.
    new = place.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", old)
    with open(readme, "w", encoding="utf-8") as stream:
        stream.write(new)
    return 0


def _path(logs):
    return os.path.join(logs, "results.json")
