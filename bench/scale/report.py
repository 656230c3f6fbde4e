"""The plot and the tables of a result. They are written by `page`."""

import page
import plot

HEADINGS = {
    "page": "Pages, ms to the last byte, one at a time",
    "api": "The API, ms to the last byte, one at a time",
}


def write(result, root, out, say):
    page.write(result, "scale", root, out, say, drawn, table)


def _find(result, figure):
    return [told for told in result["figures"] if told["figure"] == figure]


def drawn(result):
    panels = [
        [
            plot.bar_panel("Pages: p99", "ms to the last byte", _rows(result, "page_p99"), (50, "the bar")),
            plot.bar_panel("The API: p99", "ms to the last byte", _rows(result, "api_p99")),
        ],
        [
            plot.bar_panel("Packs a second by workers", "packs/s", _rows(result, "drain_rate")),
            plot.bar_panel("A pack of one organisation", "seconds", _rows(result, "crowd_pack")),
        ],
    ]
    machine, postgres = result["machine"], result["postgres"]
    subtitle = [
        f"{result['measured_at'][:10]} · driftpack {result['versions']['driftpack']} · {machine['processors']} × {machine['model']} · "
        f"Postgres {postgres['server_version'].split()[0]}, fsync {postgres['fsync']}",
        _sizes(result),
    ]
    return plot.draw("An installation that grows", subtitle, panels, result["bars"])


def _rows(result, figure):
    return [(told["mode"], "ours", told) for told in _find(result, figure)]


def _sizes(result):
    sizes = result["sizes"]
    return (
        f"{sizes['rows']:,} findings, scans' and audit entries to match, {sizes['runs']:,} finished runs; "
        f"{sizes['orgs']:,} organisations with {sizes['findings']:,} findings each; a queue of {sizes['queue']:,} packs."
    )


def table(result):
    machine, postgres = result["machine"], result["postgres"]
    settings = ", ".join(f"{name} {value}" for name, value in postgres.items() if name != "server_version")
    lines = [
        "![An installation that grows](results/scale.svg)",
        "",
        f"Measured {result['measured_at']} in {result['seconds'] // 60} min on {machine['processors']} × {machine['model']}, "
        f"{machine['memory_gib']:g} GiB, {machine['system']}; driftpack {result['versions']['driftpack']}, "
        f"{result['versions']['rustc']}. Postgres {postgres['server_version']}: {settings}. {_sizes(result)}",
        "",
        *page.bars(result),
    ]
    for kind, heading in HEADINGS.items():
        lines += ["", f"### {heading}", "", "| what | p50 | p99 | |", "|---|--:|--:|---|"]
        slow = {told["mode"]: told for told in _find(result, f"{kind}_p99")}
        for told in _find(result, f"{kind}_p50"):
            p99 = slow[told["mode"]]
            lines.append(f"| {told['mode']} | {plot.amount(told['median'])} | {plot.amount(p99['median'])} | {_noise(p99)} |")
    rest = [told for told in result["figures"] if told["figure"].split("_")[0] not in HEADINGS or told["figure"].startswith("api_rate")]
    if rest:
        lines += ["", "### Packs and queues", "", "| figure | | median | min–max | |", "|---|---|--:|--:|---|"]
    for told in rest:
        spread = f"{plot.amount(told['min'])}–{plot.amount(told['max'])}"
        figure = f"{told['figure'].replace('_', ' ')} ({told['unit']})"
        lines.append(f"| {figure} | {told['mode']} | {plot.amount(told['median'])} | {spread} | {_noise(told)} |")
    if result["blocks"]:
        lines += ["", "### Blocks that each statement of a pack touches", "", "| statement | alone | among many |", "|---|--:|--:|"]
        lines += [f"| `{name}` | {alone:,} | {among:,} |" for name, (alone, among) in result["blocks"].items()]
    lost = [f"- {part}: {reason}" for part, reason in result["not_measured"].items()]
    return "\n".join(lines + (["", "Not measured:", "", *lost] if lost else [])) + "\n"


def _noise(told):
    return "" if told["quiet"] else "not quiet"
