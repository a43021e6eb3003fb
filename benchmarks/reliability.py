"""What holds when files are damaged, processes are killed and memory is short, as numbers.

    python benchmarks/reliability.py mutations [KIND ...] [--count 1000]     damaged files of every kind that is read
    python benchmarks/reliability.py fuzz [KIND ...] [--minutes 10]          the same, guided by the lines they reach
    python benchmarks/reliability.py kills [--kills 50]                      SIGKILLs inside one run
    python benchmarks/reliability.py signals [--each 20]                     Ctrl-C and SIGTERM at random moments
    python benchmarks/reliability.py starts [--count 20]                     trainings of one folder at the same time
    python benchmarks/reliability.py histories [--count 500]                 of checkpoints: saves, kills, rot, marks
    python benchmarks/reliability.py stops                                   a run stopped after each of its steps
    python benchmarks/reliability.py numbers [--each 6]                      NaN and infinity put into every place
    python benchmarks/reliability.py soak [RECIPE ...] [--minutes 10]        kills, NaNs and little memory, for long
    python benchmarks/reliability.py help                                    how long `gantlet --help` takes
    python benchmarks/reliability.py table                                   all rows; exit code 1 if anything failed
    python benchmarks/reliability.py page                                    write the figures into docs/reliability.md

Rows are kept in results/reliability.json and not measured twice; a row that was measured at another count or for other
minutes is measured again. What files did harm is kept in the folder that the row names. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from enduring import RECIPES, histories, killed, signalled, soaked, started_at_once, stopped_anywhere
from slices import Row, Rows
from unbreakable import no_numbers

HERE = Path(__file__).parent
QUIET = 90.0  # seconds without a new file after which a process counts as hanging
PARTS = ("mutations", "fuzz", "kills", "signals", "starts", "histories", "stops", "numbers", "soak", "help")
BEGIN, END = "<!-- figures: written by benchmarks/reliability.py page -->", "<!-- end of the figures -->"
HELP = {"gantlet --help": ["--help"], "gantlet train --help": ["train", "--help"]}


def scratch() -> Path:
    """Return where damaged files are read, and kept if they do harm."""
    folder = Path(tempfile.gettempdir()) / "gantlet-reliability"
    folder.mkdir(exist_ok=True)
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GANTLET_CACHE": str(scratch() / "cache")}


def every_kind() -> list[str]:
    words = [sys.executable, str(HERE / "breaking.py"), "list", str(scratch() / "list")]
    told = subprocess.run(words, capture_output=True, text=True, check=True, env=environment()).stdout
    return list(json.loads(told.splitlines()[-1]))


def watched(words: list[str], folder: Path) -> tuple[int | None, str]:
    """Run a process of breaking.py; return its exit code (None: it hung and was killed) and its last line."""
    with open(folder / "said", "w+") as said:
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.DEVNULL, text=True, env=environment())
        progress = folder / "number"
        last = time.time()
        while process.poll() is None:
            time.sleep(0.5)
            last = max(last, progress.stat().st_mtime if progress.is_file() else 0.0)
            if time.time() - last > QUIET:
                process.kill()
                process.wait()
                return None, ""
        said.seek(0)
        return process.returncode, (said.read().strip().splitlines() or [""])[-1]


def broken(kind: str, how: str, amount: float, seed: int) -> Row:
    """Read damaged files of one kind, in as many processes as it takes; return the counts."""
    folder = scratch() / f"{how} {kind}".replace(" ", "-").replace("/", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    row: Row = {"files": 0, "read": 0, "refused": 0, "failure": 0, "signals": 0, "hangs": 0, "slowest_seconds": 0.0,
                "grown_mb": 0, "failures": []}  # fmt: skip
    first, until = 0, time.time() + amount
    while first < amount if how == "mutations" else time.time() < until - 1:
        left = ["--first", str(first), "--count", str(int(amount) - first)]
        left = left if how == "mutations" else ["--seconds", str(until - time.time())]
        again = seed if how == "mutations" else seed + row["signals"] + row["hangs"]  # not the same fuzzing once more
        words = [sys.executable, str(HERE / "breaking.py"), kind, str(folder), "--seed", str(again), *left]
        code, last = watched(words, folder)
        if code == 0:
            told = json.loads(last)
        elif not (folder / "number").is_file():
            raise SystemExit(f"{kind}: breaking.py does not start (exit code {code})")
        else:
            told = json.loads((folder / "number").read_text())
            row["hangs" if code is None else "signals"] += 1
            (folder / "failures").mkdir(exist_ok=True)
            shutil.copy(folder / "current", folder / "failures" / f"{told['number']}-ended-it")
            told["files"] = sum(told.get(name, 0) for name in ("read", "refused", "failure")) + 1
            first = told["number"] + 1
        for name in ("files", "read", "refused", "failure"):
            row[name] += told.get(name, 0)
        for name in ("slowest_seconds", "grown_mb"):
            row[name] = max(row[name], told.get(name, 0))
        row["failures"] += [{**each, "said": each["said"][-300:]} for each in told.get("failures", [])]
        row |= {name: told[name] for name in ("lines_reached", "inputs_kept") if name in told}
        if code == 0:
            break
    return row


def good(key: str, row: Row) -> bool:
    """Tell whether a row holds what is promised."""
    part = key.partition("/")[0]
    if part in ("mutations", "fuzz"):
        return not (row["failure"] or row["signals"] or row["hangs"]) and (row["grown_mb"] < 200 or part == "fuzz")
    return row["failures"] == 0


def measure_damage(rows: Rows, how: str, options: argparse.Namespace) -> None:
    amount = options.count if how == "mutations" else options.minutes * 60
    for kind in options.names or every_kind():
        key = f"{how}/{kind}"
        old = rows.read().get(key, {})
        if old.get("amount") != amount or not good(key, old):
            rows.keep(key, {**broken(kind, how, amount, options.seed), "amount": amount, "seed": options.seed})


def help_seconds(runs: int = 7) -> Row:
    """Return the median processor seconds, and the least of the clock, that printing help takes."""
    row: Row = {"failures": 0}
    for name, words in HELP.items():
        clock, processor = [], []
        for _ in range(runs):
            began, before = time.perf_counter(), os.times()
            subprocess.run([sys.executable, "-m", "gantlet.cli", *words], capture_output=True, check=True)
            after = os.times()
            clock.append(time.perf_counter() - began)
            processor.append(
                after.children_user + after.children_system - before.children_user - before.children_system
            )
        row |= {f"{name}, least seconds": round(min(clock), 3)}
        row |= {f"{name}, processor seconds": round(sorted(processor)[runs // 2], 3)}
    return row


def counted(row: Row) -> Row:
    """Return a row of injections as numbers alone."""
    its = row["injections"]
    return {"injections": len(its), "rolled_back": sum(each["rolled_back"] for each in its),
            "checkpoints": sum(each["checkpoints"] for each in its),
            "checkpoints_with_such_values": sum(each["checkpoints_with_such_values"] for each in its),
            "failures": row["failures"]}  # fmt: skip


def measure(rows: Rows, key: str, work: Any) -> None:
    """Keep what some work returns, unless the row is there."""
    if key not in rows.read():
        with tempfile.TemporaryDirectory(dir=scratch()) as top:
            began = time.perf_counter()
            row = work(Path(top))
            rows.keep(key, {**row, "took_seconds": round(time.perf_counter() - began, 1)})


def table(rows: Rows) -> int:
    """Print all rows; return 1 if one does not hold what is promised."""
    found = rows.read()
    print(f"{'kind':36}{'files':>8}{'read':>8}{'refused':>8}{'failed':>8}{'signals':>8}{'hangs':>7}{'s':>7}{'MB':>6}")
    for key, row in sorted(found.items()):
        if key.partition("/")[0] in ("mutations", "fuzz"):
            counts = "".join(f"{row[name]:8}" for name in ("files", "read", "refused", "failure", "signals"))
            print(f"{key:36}{counts}{row['hangs']:7}{row['slowest_seconds']:7.2f}{row['grown_mb']:6}")
    for key, row in sorted(found.items()):
        if key.partition("/")[0] not in ("mutations", "fuzz"):
            facts = {name: value for name, value in row.items() if isinstance(value, int | float | str)}
            print(key, json.dumps(facts))
    for how in ("mutations", "fuzz"):
        its = [row for key, row in found.items() if key.startswith(how)]
        total = {name: sum(row[name] for row in its) for name in ("files", "failure", "signals", "hangs")}
        print(f"{how}: {len(its)} kinds, {json.dumps(total)}")
    failed = [key for key, row in found.items() if not good(key, row)]
    print("does not hold: " + ", ".join(failed) if failed else "all of it holds")
    return 1 if failed else 0


def figures(rows: Rows) -> list[str]:
    """Return the lines of the page's table, from this benchmark's rows and those of others of its kind."""
    found, lines = rows.read(), ["| what was done | how often | what went wrong |", "| --- | --- | --- |"]
    for how, words in (("mutations", "damaged files read"), ("fuzz", "fuzzed files read")):
        its = [row for key, row in found.items() if key.startswith(how)]
        if its:
            wrong = {name: sum(row[name] for row in its) for name in ("failure", "signals", "hangs")}
            more = f"; slowest {max(row['slowest_seconds'] for row in its):.1f} s"
            more += f", memory grew by at most {max(row['grown_mb'] for row in its)} MB" if how == "mutations" else ""
            lines.append(
                f"| {words}, {len(its)} kinds | {sum(row['files'] for row in its):,} | {wrong['failure']} other than a "
                f"sentence, {wrong['signals']} crashes, {wrong['hangs']} hangs{more} |"
            )
    spoken = {
        "kills": ("SIGKILLs inside one run", "kills", "the end is that of a run in peace: {equal}"),
        "signals": ("Ctrl-C and SIGTERM at random moments", "signals", "slowest end {slowest_seconds} s"),
        "starts": ("trainings of one folder at the same time", "starts", "{trained} trained, the rest refused"),
        "histories": ("random histories of saves, kills, rot, marks", "histories", "{events} events"),
        "stops": ("a run stopped after each of its first steps", "stops", "{equal} equal bit for bit"),
        "numbers": (
            "NaN or infinity put into a run",
            "injections",
            "{checkpoints_with_such_values} checkpoints hold one",
        ),
    }
    for key, row in sorted(found.items()):
        part = key.partition("/")[0]
        if part in spoken:
            words, count, told = spoken[part]
            said = told.format(**{name: str(value) for name, value in row.items()})
            lines.append(f"| {words} | {row[count]} | {row['failures']}; {said} |")
        elif part == "soak":
            grew = f"{row['mb_per_minute']:+.2f} ± {row['standard_error']:.2f} MB a minute"
            events = f"{row['kills']} kills, {row['rollbacks']} NaNs, {row['ran_out_of_memory']} times out of memory"
            lines.append(
                f"| soak: {key.split('/')[1]}, {row['minutes']:g} minutes | {events} | {row['failures']}; {grew} |"
            )
    return [*lines, *chosen(), *older()]


def chosen() -> list[str]:
    """Return the lines of files made by hand, of which it is known what should become of them."""
    lines = []
    for name, what in (("clips", "odd and broken clips"), ("recordings", "odd and broken recordings")):
        row = json.loads((HERE / "results" / f"damaged_{name}.json").read_text())
        said = f"{row['read']} read, {row['refused']} refused; slowest {row['slowest_seconds']:.1f} s"
        lines.append(f"| {what}, by hand and at random | {row['count']} | {row.get('failure', 0)}; {said} |")
    stored = json.loads((HERE / "results" / "applying.json").read_text())
    its = [row["outcome"] for key, row in stored.items() if key.startswith("wrong/")]
    counts = {outcome: its.count(outcome) for outcome in ("failure", "made", "refused")}
    told = f"{counts['failure']}; {counts['made']} made, {counts['refused']} refused in a sentence"
    return [*lines, f"| odd and wrong inputs of `gantlet apply` | {len(its)} | {told} |"]


def older() -> list[str]:
    """Return the lines of what unbreakable.py measured."""
    row = json.loads((HERE / "results" / "unbreakable.json").read_text())
    saving, plain, full = row["kills_while_saving"], row["kills_while_saving"]["plain_torch_save"], row["full_disk"]
    return [
        f"| SIGKILLs aimed at saving 10 MB | {saving['kills']} | {saving['failures']}; {plain['unreadable']} of "
        f"{plain['kills']} files of a plain `torch.save` were unreadable |",
        f"| a real run under a limit on file sizes | {len(full['limits'])} | {full['failures']} |",
    ]


def write_page(rows: Rows) -> None:
    """Put the figures into docs/reliability.md, between its marks."""
    path = HERE.parent / "docs" / "reliability.md"
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(figures(rows)) + f"\n{END}{after}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=[*PARTS, "table", "page"])
    parser.add_argument("names", nargs="*", help="kinds of files, or recipes")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ |= {"OMP_NUM_THREADS": "1"}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that processes and folders are cleared away
    rows, rng = Rows("reliability"), random.Random(options.seed)
    if options.part in ("mutations", "fuzz"):
        measure_damage(rows, options.part, options)
    elif options.part == "kills":
        measure(rows, f"kills/{options.kills}", lambda top: killed(top, options.kills, rng))
    elif options.part == "signals":
        measure(rows, f"signals/{options.each}", lambda top: signalled(top, options.each, rng))
    elif options.part == "starts":
        count = min(options.count, 20)
        measure(rows, f"starts/{count}", lambda top: started_at_once(top, count))
    elif options.part == "histories":
        count = min(options.count, 500)
        measure(rows, f"histories/{count}", lambda top: histories(top, count, rng))
    elif options.part == "stops":
        measure(rows, "stops", stopped_anywhere)
    elif options.part == "numbers":
        each = min(options.each, 6)
        measure(rows, f"numbers/{10 * each}", lambda top: counted(no_numbers(top, each, rng)))
    elif options.part == "help":
        measure(rows, "help", lambda top: help_seconds())
    elif options.part == "soak":
        for recipe in options.names or list(RECIPES):
            key = f"soak/{recipe}/{options.minutes:g} min"
            measure(rows, key, lambda top, recipe=recipe: soaked(top, recipe, options.minutes, rng))  # type: ignore[misc]
    elif options.part == "page":
        write_page(rows)
    return table(rows) if options.part == "table" else 0


if __name__ == "__main__":
    sys.exit(main())
