"""Runs of several processes and hosts: killed ranks, a cut network, and what an all-reduce costs.

    python benchmarks/cluster.py kills --kills 20     two ranks under torchrun, one of them killed at random, 20 times
    python benchmarks/cluster.py hosts                two network namespaces: a two-node run, its link cut and healed
    python benchmarks/cluster.py cost                 all-reduce over gloo by size and processes, beside a model
    python benchmarks/cluster.py table                what results/cluster.json holds

`hosts` needs Linux, root and iproute2. Exit code 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import all_reduce
from gantlet.engine.checkpoint import Checkpoints
from slices import Row, Rows

ROWS = Rows("cluster")
RUN = (sys.executable, "-m", "torch.distributed.run")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

say = partial(print, flush=True)


def training(out: Path, steps: int) -> list[str]:
    """Return the words of a run: lazy R1, labels, an average; saved every second, shown every three."""
    return [
        *("-m", "gantlet.cli", "train", "r1gan", "--quick", "--data", "digits", "--out", str(out), "--device", "cpu"),
        *("--steps", str(steps), "--save-every", "1", "--sample-every", "3", "--evaluate-every", "0"),
    ]


def newest(out: Path) -> Path:
    """Return the newest intact checkpoint of a run."""
    damaged: list[str] = []
    path = Checkpoints(out / "checkpoints", {}).newest(damaged.append)
    if path is None or damaged:
        raise SystemExit(f"{out}: {damaged or 'no checkpoint'}")
    return path


def step_of(path: Path) -> int:
    return int(path.name.partition("-")[2])


def fingerprint(checkpoint: Path) -> str:
    """Return the SHA-256 of all tensors of a checkpoint."""
    whole = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


class Node:
    """One torchrun, what it prints and when."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**ONE_THREAD, **environment},
        )  # fmt: skip
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip()))

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, None if it does not end within so many seconds."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(5)
        return code

    def said(self, pattern: str) -> tuple[float, str] | None:
        """Return when a line matched for the first time, and the line."""
        return next((line for line in self.lines if re.search(pattern, line[1])), None)

    def text(self) -> str:
        told = [line for _, line in self.lines if re.search(r"gantlet: |Error|Warning", line)]
        return "\n".join([*told[-20:], *(line for _, line in self.lines[-20:])])

    def end(self) -> None:
        """End it and its workers."""
        for pid in [*workers(self.process.pid).values(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def workers(agent: int) -> dict[int, int]:
    """Return the process numbers of the workers of a torchrun, by rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = dict(
                w.split("=", 1) for w in (folder / "environ").read_text(errors="replace").split("\0") if "=" in w
            )
        except (OSError, ValueError, IndexError):
            continue
        if parent == agent and "RANK" in words:
            found[int(words["RANK"])] = int(folder.name)
    return found


def to_the_end(node: Node, seconds: float) -> None:
    """Wait for a run that must end well."""
    code = node.wait(seconds)
    if code != 0:
        node.end()
        raise SystemExit(f"torchrun ended with {code}:\n{node.text()}")


# --- kills


def log_size(out: Path) -> int:
    return (out / "log.jsonl").stat().st_size if (out / "log.jsonl").is_file() else 0


def kill_one(node: Node, out: Path, rng: random.Random) -> Row | None:
    """Kill one rank: four times of five in training, else while the group starts. None if the run ended before."""
    before, began = log_size(out), time.monotonic()
    in_training = rng.random() < 0.8
    while node.process.poll() is None and time.monotonic() - began < 120:
        # A new group cuts off what its predecessor logged after the checkpoint: any other size is news.
        ready = log_size(out) != before if in_training else len(workers(node.process.pid)) == 2
        if ready:
            break
        time.sleep(0.05)
    time.sleep(rng.uniform(0, 2.5))
    group = workers(node.process.pid)
    if node.process.poll() is not None or not group:
        return None
    rank = rng.choice(sorted(group))
    os.kill(group[rank], signal.SIGKILL)
    killed = time.monotonic()
    while set(group.values()) & set(workers(node.process.pid).values()) and time.monotonic() - killed < 60:
        time.sleep(0.02)
    return {"rank": rank, "in_training": in_training, "group_gone_after": round(time.monotonic() - killed, 2)}


def kills(count: int, steps: int, seed: int = 0) -> Row:
    """Kill a random rank of two at random, again and again; torchrun restarts both, and the run must end the same."""
    rng, folder = random.Random(seed), Path(tempfile.mkdtemp(prefix="gantlet-kills-"))
    group = [*RUN, "--standalone", "--nproc-per-node", "2", "--max-restarts", str(count + 5)]
    try:
        peaceful = Node([*group, *training(folder / "peaceful", steps)])
        began = time.monotonic()
        to_the_end(peaceful, 1200)
        say(f"in peace: {time.monotonic() - began:.0f} s")
        out, done = folder / "killed", []
        node = Node([*group, *training(out, steps)])
        while len(done) < count:
            row = kill_one(node, out, rng)
            if row is None:
                break
            done.append(row)
            found = Checkpoints(out / "checkpoints", {}).steps()
            row["newest_step"] = found[0] if found else None
            say(json.dumps(row))
        to_the_end(node, 1200)
        wanted, got = (fingerprint(newest(folder / name)) for name in ("peaceful", "killed"))
        return {
            "kills": len(done), "kills_in_training": sum(row["in_training"] for row in done), "steps": steps,
            "of_rank": {str(rank): sum(row["rank"] == rank for row in done) for rank in (0, 1)}, "each": done,
            "sha256": got, "sha256_in_peace": wanted, "equal": got == wanted, "failures": int(got != wanted),
        }  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- hosts

A, B = "gantlet-a", "gantlet-b"
ADDRESS = {A: "10.77.0.1", B: "10.77.0.2"}


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()}")


def build_hosts() -> None:
    """Make two network namespaces with one cable between them."""
    for host in (A, B):
        ip("netns", "add", host)
    ip("link", "add", "cable", "netns", A, "type", "veth", "peer", "name", "cable", "netns", B)
    for host in (A, B):
        ip("-n", host, "addr", "add", f"{ADDRESS[host]}/24", "dev", "cable")
        ip("-n", host, "link", "set", "cable", "up")
        ip("-n", host, "link", "set", "lo", "up")


def remove_hosts() -> None:
    for host in (A, B):
        subprocess.run(["ip", "netns", "del", host], capture_output=True)


def both(folder: Path, steps: int) -> dict[str, Node]:
    """Start the same command on both hosts; the second sees nothing of the first one's run folder."""
    (folder / "names").write_text("127.0.0.1 localhost\n" + "".join(f"{ADDRESS[h]} {h}\n" for h in ADDRESS))
    (folder / "runs").mkdir(exist_ok=True)
    words = [*RUN, "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "1"]
    words += ["--rdzv-endpoint", f"{A}:29400", *training(folder / "runs" / "hosts", steps)]
    found = {}
    for host in (A, B):
        hidden = f"mount -t tmpfs none {folder}/runs && " if host == B else ""
        shell = f'hostname {host} && mount --bind {folder}/names /etc/hosts && {hidden}exec "$@"'
        found[host] = Node(["ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", shell, "sh", *words])
    return found


def hosts(steps: int, cut_at: float) -> Row:
    """Run on two hosts in peace, then again with the link cut in the middle, and healed."""
    folder, nodes = Path(tempfile.mkdtemp(prefix="gantlet-hosts-")), {}
    out = folder / "runs" / "hosts"
    remove_hosts()
    build_hosts()
    try:
        nodes = both(folder, steps)
        for node in nodes.values():
            to_the_end(node, 900)
        wanted = fingerprint(newest(out))
        shutil.rmtree(out)
        say("in peace: done")
        nodes = both(folder, steps)
        while log_size(out) < 1500 and nodes[A].process.poll() is None:
            time.sleep(0.1)
        time.sleep(cut_at)
        ip("-n", A, "link", "set", "cable", "down")
        row = after_the_cut(nodes, time.monotonic())
        kept = step_of(newest(out))
        say(kept, json.dumps(row))
        ip("-n", A, "link", "set", "cable", "up")
        nodes = both(folder, steps)
        for node in nodes.values():
            to_the_end(node, 900)
        got = fingerprint(newest(out))
        clear = all(found["seconds"] is not None and found["seconds"] < 60 for found in row.values())
        return {
            "steps": steps, "step_kept_at_the_cut": kept, "after_the_cut": row, "sha256": got,
            "sha256_in_peace": wanted, "equal_after_healing": got == wanted,
            "failures": int(got != wanted) + (not clear),
        }  # fmt: skip
    finally:
        for node in nodes.values():
            node.end()
        remove_hosts()
        shutil.rmtree(folder, ignore_errors=True)


def after_the_cut(nodes: dict[str, Node], cut: float) -> Row:
    """Return what each host said about the cut, when, and how its torchrun ended."""
    found = {}
    for host, node in nodes.items():
        code = node.wait(max(cut + 75 - time.monotonic(), 1))
        ended = round(time.monotonic() - cut, 1)
        line = node.said(r"gantlet: (Lost|The \d+ processes)")
        if line is None:
            say(host, node.text())
        found[host] = {
            "said": None if line is None else line[1], "seconds": None if line is None else round(line[0] - cut, 1),
            "exit_code": code, "torchrun_ended_within": ended,
        }  # fmt: skip
        node.end()
    return found


# --- cost


def cost() -> None:
    """Measure all-reduces and steps, those that are not there yet; keep them and what follows."""
    for processes in (2, 4):
        if f"cost/gloo/{processes}" in ROWS.read():
            continue
        ROWS.keep(f"cost/gloo/{processes}", all_reduce.measure(processes))
    links = {**all_reduce.LINKS, "this machine": None}
    for name in all_reduce.RECIPES:
        if f"cost/step/{name}" in ROWS.read():
            continue
        step = all_reduce.step_of(name)
        shares = {}
        for link, known in links.items():
            for n in (2, 4, 8):
                gloo = ROWS.read().get(f"cost/gloo/{n}")
                if known or gloo:
                    shares[f"{link}, {n}"] = all_reduce.share(step, n, *(known or (gloo["bandwidth"], gloo["latency"])))
        ROWS.keep(f"cost/step/{name}", {**step, "share": shares})


def table() -> None:
    """Print the measured figures as docs/cluster.md has them."""
    rows = ROWS.read()
    gloo = {n: rows[f"cost/gloo/{n}"] for n in (2, 4) if f"cost/gloo/{n}" in rows}
    print("| bytes | " + " | ".join(f"{n}: measured | {n}: model" for n in gloo) + " |")
    for size in map(str, all_reduce.SIZES):
        cells = [f"{1e3 * row['seconds'][size][kind]:.3g} ms" for row in gloo.values() for kind in ("least", "model")]
        print(f"| {int(size):,} | {' | '.join(cells)} |")
    for n, row in gloo.items():
        print(f"{n}: {row['bandwidth'] / 1e9:.2f} GB/s, {1e6 * row['latency']:.0f} us a message")
    for key, row in rows.items():
        if key.startswith("cost/step/"):
            shares = ", ".join(f"{name}: {share:.1%}" for name, share in row["share"].items())
            size = (
                f"{row['parameters']:,} parameters, {row['bytes_a_step'] / 1e6:.2f} MB, {row['seconds_a_step']:.3f} s"
            )
            print(f"{key.removeprefix('cost/step/')}: {size}; {shares}")
    for link, (bandwidth, latency) in all_reduce.LINKS.items():
        found = [all_reduce.matters_from(8, bandwidth, latency, seconds) for seconds in (0.01, 0.1, 1.0)]
        print(f"8 processes, {link}: from {', '.join(f'{value:,.0f}' for value in found)} parameters (.01, .1, 1 s)")
    for name in ("kills", "hosts"):
        print(name, json.dumps({key: value for key, value in rows.get(name, {}).items() if key != "each"}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    killing = verbs.add_parser("kills")
    killing.add_argument("--kills", type=int, default=20)
    killing.add_argument("--steps", type=int, default=1600)
    cutting = verbs.add_parser("hosts")
    cutting.add_argument("--steps", type=int, default=1000)
    cutting.add_argument("--cut-at", type=float, default=4.0)
    verbs.add_parser("cost")
    verbs.add_parser("table")
    given = parser.parse_args()
    row: dict[str, Any] = {}
    if given.verb == "kills":
        ROWS.keep("kills", row := kills(given.kills, given.steps))
    elif given.verb == "hosts":
        ROWS.keep("hosts", row := hosts(given.steps, given.cut_at))
    elif given.verb == "cost":
        cost()
    else:
        table()
    return int(bool(row.get("failures")))


if __name__ == "__main__":
    sys.exit(main())
