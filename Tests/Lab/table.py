"""The results as a table: aligned for a terminal, or Markdown for the README."""

HEADINGS = ("scenario", "kernel", "firmware framebuffer", "class", "before", "after", "rung", "seconds", "verdict")
CLASSES = {"VGA": "0300", "bochs-display": "0380"}


def rows(results):
    for result in results:
        scenario, report = result.scenario, result.report
        ran = result.verdict != "not run"
        yield (scenario.name, result.kernel if ran else scenario.kernel,
               report.saw.get("framebuffer", "-") if ran else scenario.framebuffer, CLASSES[scenario.card],
               report.before if ran else "-", _after(report) if ran else "-", report.rungs if ran else "-",
               f"{result.seconds:.0f}" if ran else "-", result.verdict)


def _after(report):
    """What the client met, or what the claim said where there was nothing left to meet."""
    after = report.saw.get("after", "-")
    code = report.saw.get("exit")
    return {"3": "refused", "1": "failed"}.get(code, after) if after == "-" else after


def plain(results):
    lines = [HEADINGS, *rows(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def markdown(results):
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows(results)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def counts(results):
    number = {verdict: sum(result.verdict == verdict for result in results)
              for verdict in ("passed", "failed", "not run")}
    return ", ".join(f"{count} {verdict}" for verdict, count in number.items())
