"""The results as tables: rows of words, aligned for a terminal, or Markdown."""

MATRIX = ("scenario", "kernel", "firmware framebuffer", "class", "before", "after", "rung", "then", "seconds",
            "verdict")
GUEST = ("scenario", "kernel", "saw", "seconds", "verdict")
CLASSES = {"VGA": "0300", "bochs-display": "0380"}
# What the claim said, where there was nothing left for the client to meet.
EXITS = {"1": "failed", "3": "refused", "4": "failed, not undone", "137": "killed"}


def matrix_row(result):
    scenario, report = result.scenario, result.report
    if result.verdict == "not run":
        return [scenario.name, scenario.kernel, scenario.framebuffer, CLASSES[scenario.card], "-", "-", "-", "-", "-",
                result.verdict]
    return [scenario.name, result.kernel, report.saw.get("framebuffer", "-"), CLASSES[scenario.card], report.before,
            _after(report), report.rungs, report.saw.get("then", "-"), f"{result.seconds:.0f}", result.verdict]


def guest_row(result):
    saw = ", ".join(f"{name} {value}" for name, value in result.saw.items()) or "-"
    if result.verdict == "not run":
        return [result.scenario.name, result.scenario.kernel, "-", "-", result.verdict]
    return [result.scenario.name, result.kernel, saw, f"{result.seconds:.0f}", result.verdict]


def _after(report):
    after = report.saw.get("after", "-")
    return EXITS.get(report.saw.get("exit"), after) if after == "-" else after


def plain(headings, rows):
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def markdown(headings, rows):
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def counts(verdicts):
    verdicts = list(verdicts)
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("passed", "failed", "not run"))
