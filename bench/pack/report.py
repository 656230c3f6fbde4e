"""The plot and the tables of a result. They are written by `page`."""

import page
import plot

PARTS = ("worker_processor", "postgres_processor", "chromium_processor")


def write(result, root, out, say):
    page.write(result, "pack", root, out, say, drawn, table)


def _find(result, figure, mode=None):
    return [told for told in result["figures"] if told["figure"] == figure and mode in (None, told["mode"])]


def drawn(result):
    panels = [
        [
            plot.bar_panel("An enterprise pack", "seconds", _enterprise(result)),
            plot.bar_panel("Where its processor time goes", "seconds of one core", _parts(result)),
        ],
        [
            plot.bar_panel("Memory of the worker", "MiB at most", _by_profile(result, "worker_peak"), (200, "the bar")),
            plot.bar_panel("Time per row", "µs", _by_profile(result, "per_row")),
        ],
        [
            plot.bar_panel("The steps of an enterprise pack", "seconds", _steps(result)),
            plot.bar_panel("The whole audit chain", "seconds", _chain(result)),
        ],
    ]
    machine, postgres = result["machine"], result["postgres"]
    subtitle = [
        f"{result['measured_at'][:10]} · driftpack {result['versions']['driftpack']} · {machine['processors']} × {machine['model']} · "
        f"Postgres {postgres['server_version'].split()[0]}, fsync {postgres['fsync']}",
        "Medians; thin lines span the lowest and the highest." + _doubts(result),
    ]
    return plot.draw("Compliance Packs and the floor", subtitle, panels, result["bars"])


def _enterprise(result):
    rows = [("driftpack", "ours", told) for told in _find(result, "pack", "enterprise")]
    rows += [("psql, sha256sum, zip", "floor", told) for told in _find(result, "floor", "enterprise")]
    for part, name in (("copy", "psql COPY"), ("sha256sum", "sha256sum"), ("zip", "zip -6")):
        rows += [(name, "queue", told) for told in _find(result, f"floor_{part}", "enterprise")]
    return rows


def _parts(result):
    return [(part.split("_")[0], "ours", told) for part in PARTS for told in _find(result, part, "enterprise")]


def _by_profile(result, figure):
    return [(told["mode"], "ours", told) for told in _find(result, figure)]


def _steps(result):
    steps = result["steps"].get("enterprise", {})
    return [(name, "ours", {"median": took, "min": took, "max": took}) for name, took in steps.items()]


def _chain(result):
    rows = [("verify", "ours", told) for told in _find(result, "chain_verify", "enterprise")]
    return rows + [("COPY | sha256sum", "floor", told) for told in _find(result, "chain_floor", "enterprise")]


def _doubts(result):
    noisy = sum(not told["quiet"] for told in result["figures"])
    doubts = f" The machine was not quiet for {noisy} of {len(result['figures'])} figures." if noisy else ""
    if result["scale"] != 1:
        doubts += f" The larger profiles were made {result['scale']:g} times as large as they should be."
    return doubts


def table(result):
    machine, postgres = result["machine"], result["postgres"]
    settings = ", ".join(f"{name} {value}" for name, value in postgres.items() if name != "server_version")
    lines = [
        "![Compliance Packs and the floor](results/pack.svg)",
        "",
        f"Measured {result['measured_at']} in {result['seconds'] // 60} min on {machine['processors']} × {machine['model']}, "
        f"{machine['memory_gib']:g} GiB, {machine['system']}; driftpack {result['versions']['driftpack']}, "
        f"{result['versions']['rustc']}. Postgres {postgres['server_version']}: {settings}.{_doubts(result)}",
        "",
        *page.bars(result),
        "",
        "| profile | days | findings | scans | audit entries | PDF |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for told in result["profiles"]:
        sizes = " | ".join(f"{told[name]:,}" for name in ("days", "findings", "scans", "audit_entries"))
        lines.append(f"| {told['name']} | {sizes} | {'yes' if told['pdf'] else 'no'} |")
    lines += ["", "| profile | figure | median | min–max | |", "|---|---|--:|--:|---|"]
    for told in sorted(result["figures"], key=lambda told: [entry["name"] for entry in result["profiles"]].index(told["mode"])):
        spread = f"{plot.amount(told['min'])}–{plot.amount(told['max'])}"
        noisy = "" if told["quiet"] else "not quiet"
        figure = f"{told['figure'].replace('_', ' ')} ({told['unit']})"
        lines.append(f"| {told['mode']} | {figure} | {plot.amount(told['median'])} | {spread} | {noisy} |")
    lines += ["", "| profile | " + " | ".join(_names(result)) + " |", "|---|" + "--:|" * len(_names(result))]
    for profile, steps in result["steps"].items():
        lines.append(f"| {profile}, s | " + " | ".join(plot.amount(steps.get(name, 0)) for name in _names(result)) + " |")
    lost = [f"- {profile}: {reason}" for profile, reason in result["not_measured"].items()]
    return "\n".join(lines + (["", "Not measured:", "", *lost] if lost else [])) + "\n"


def _names(result):
    return list(next(iter(result["steps"].values()), {}))
