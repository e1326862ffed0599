"""The last run of every scenario, kept beside the logs, and its place in a document."""

import json
import os
import re
import sys

import table


class Marks:
    """The two lines of a document that a table stands between."""

    def __init__(self, name):
        self.begin = f"<!-- {name}: made by make lab-table -->"
        self.end = f"<!-- end of {name} -->"

    def replace(self, text, between):
        """Raises ValueError if the marks aren't there once each, in this order."""
        place = re.compile(f"{re.escape(self.begin)}.*?{re.escape(self.end)}", re.DOTALL)
        if len(place.findall(text)) != 1:
            raise ValueError(f"these two lines are wanted once each, in this order:\n{self.begin}\n{self.end}")
        # A function, because a replacement string would have its backslashes read.
        return place.sub(lambda _: f"{self.begin}\n\n{between}\n\n{self.end}", text)


def keep(logs, row):
    """Keeps the row of a scenario in the place of its last one, as soon as it is there: a run may be cut short."""
    rows = _load(logs)
    rows[row[0]] = row
    with open(_path(logs), "w", encoding="utf-8") as stream:
        json.dump(list(rows.values()), stream, indent=1)


def show(suites, document=None):
    """Prints the last run of every scenario as Markdown, a table for each suite, or replaces the tables in the
    file `document`.

    Only whole tables are shown: half of one must not replace it. Returns the exit status."""
    tables = [_markdown(suite) for suite in suites]
    if document is None:
        print("\n\n".join(tables))
        return 0
    with open(document, encoding="utf-8") as stream:
        text = stream.read()
    for suite, between in zip(suites, tables):
        try:
            text = suite.marks.replace(text, between)
        except ValueError as error:
            sys.exit(f"lab: {document}: {error}")
    with open(document, "w", encoding="utf-8") as stream:
        stream.write(text)
    return 0


def _markdown(suite):
    kept = _load(suite.logs)
    names = [scenario.name for scenario in suite.scenarios if not getattr(scenario, "apart", False)]
    missing = [name for name in names if name not in kept]
    if missing:
        sys.exit(f"lab: {os.path.relpath(suite.logs)} has no run of {', '.join(missing)}: `lab run` makes one")
    rows = [kept[name] for name in names]
    return (f"{table.markdown(suite.headings, rows)}\n\n"
            f"The last run of each scenario: {table.counts(row[-1] for row in rows)}.")


def _load(logs):
    try:
        with open(_path(logs), encoding="utf-8") as stream:
            return {row[0]: row for row in json.load(stream)}
    except FileNotFoundError:
        return {}


def _path(logs):
    return os.path.join(logs, "results.json")
