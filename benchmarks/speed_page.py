"""The tables of docs/speed.md, from the rows of the benchmarks of speed.

python benchmarks/speed_page.py write     put them into the page, each between its marks
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import evaluate_speed
import many_pictures
import real_time
import spine
import step_profile
import step_ratio
import text_speed

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "speed.md"


def printed(table: Callable[[], None]) -> str:
    """Return what a benchmark's own table prints."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        table()
    return text.getvalue().strip()


def loop() -> str:
    """Return the engine beside loops written by hand."""
    row = json.loads((HERE / "results" / "loop_speed.json").read_text())
    rates, memory = row["images_per_second"], row["peak_memory_mb"]
    lines = ["| loop | pictures/s | peak memory, MB |", "| --- | ---: | ---: |"]
    for name, title in (("plain", "as tutorials have it"), ("hand", "the best by hand"), ("ours", "`gantlet train`")):
        lines.append(f"| {title} | {rates[name]:,.0f} | {memory[name]:.0f} |")
    return "\n".join(lines)


def quality() -> str:
    """Return what the automatic choice has reached after how long on two cores."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for key, row in spine.ROWS.read().items():
        data, label, _, seconds = key.split("/")
        if label == "auto" and row["threads"] == 2:
            groups.setdefault((data, seconds), []).append(row)
    lines = ["| data, with labels | after | FID over the floor (seeds) | pictures/s |", "| --- | ---: | ---: | ---: |"]
    for (data, seconds), rows in sorted(groups.items(), key=lambda group: (group[0][0], float(group[0][1][:-1]))):
        fids = ", ".join(f"{row['fid_over_floor']:.1f}" for row in sorted(rows, key=lambda row: row["seed"]))
        mean = spine.mean(rows, "fid_over_floor")
        lines.append(
            f"| {data} | {seconds[:-1]} s | {mean:.1f} ({fids}) | {spine.mean(rows, 'samples_per_second'):,.0f} |"
        )
    return "\n".join(lines)


def judging() -> str:
    """Return the seconds of the distances."""
    lines = ["| distance | samples, features | s | memory beside, MB |", "| --- | --- | ---: | ---: |"]
    for row in evaluate_speed.ROWS.read().values():
        for name, seconds in row["seconds"].items():
            size = f"{row['samples']:,} x {row['features']:,}"
            beside = f"{row['extra_mib'][name]:,.0f}" if name == "prdc" else ""  # the first; the others fit into that
            lines.append(f"| {name} | {size} | {seconds['clock']:.1f} | {beside} |")
    return "\n".join(lines)


def text() -> str:
    """Return how fast text is learnt and written."""
    rows = text_speed.ROWS.read()
    step = rows["step/text_mle"]
    lines = [
        f"A step of `text_mle` takes {step['milliseconds']:.1f} ms, by hand {step['milliseconds_by_hand']:.1f} ms. "
        f"Sentences of {step['length']} tokens out of {step['vocabulary']:,} written in a minute:",
        "",
        "| G | sentences a minute |",
        "| --- | ---: |",
    ]
    lines += [
        f"| {key.split('/')[2]} | {row['sentences_per_minute']:,.0f} |"
        for key, row in rows.items()
        if key.startswith("write/")
    ]
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "steps": lambda: printed(step_profile.table),
    "faster": lambda: printed(step_ratio.table),
    "loop": loop,
    "quality": quality,
    "at once": lambda: printed(real_time.table),
    "judging": judging,
    "text": text,
    "many pictures": lambda: printed(many_pictures.table),
}


def page() -> str:
    """Return docs/speed.md as it should be: its own words, and the tables of today's rows."""
    whole = PAGE.read_text("utf-8")
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(whole), f"docs/speed.md has no mark '<!-- {name} -->'"
        made = table()
        whole = pattern.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", whole)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("write",))
    parser.parse_args()
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
