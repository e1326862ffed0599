"""The last run of every scenario, kept beside the logs, and its place in the README."""

import json
import os
import re
import sys

import table

BEGIN = "<!-- lab table: made by make lab-table -->"
END = "<!-- end of lab table -->"


def keep(logs, row):
    """Keeps the row of a scenario in the place of its last one, as soon as it is there: a run may be cut short."""
    rows = _load(logs)
    rows[row[0]] = row
    with open(_path(logs), "w", encoding="utf-8") as stream:
        json.dump(list(rows.values()), stream, indent=1)


def show(logs, names, readme=None):
    """Prints the last run of every scenario as Markdown, or replaces what is between the marks in `readme`.

    Only a whole table is shown: half of one must not replace it. Returns the exit status."""
    kept = _load(logs)
    missing = [name for name in names if name not in kept]
    if missing:
        sys.exit(f"lab: {os.path.relpath(logs)} has no run of {', '.join(missing)}: `lab run` makes one")
    rows = [kept[name] for name in names]
    counts = ", ".join(f"{sum(row[-1] == verdict for row in rows)} {verdict}"
                       for verdict in ("passed", "failed", "not run"))
    text = f"{table.markdown(rows)}\n\nThe last run of each scenario: {counts}."
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


def _load(logs):
    try:
        with open(_path(logs), encoding="utf-8") as stream:
            return {row[0]: row for row in json.load(stream)}
    except FileNotFoundError:
        return {}


def _path(logs):
    return os.path.join(logs, "results.json")
