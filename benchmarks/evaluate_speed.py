"""How long the distances of one judgement take, without the features: keeps a row, and measures it anew at every call.

python benchmarks/evaluate_speed.py                                           10,000 against 10,000, 128 features
python benchmarks/evaluate_speed.py --samples 50000 --features 2048 --only fid     the arithmetic of an FID-50k
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import torch

from gantlet.metrics import Moments, frechet_distance, kernel_distance, precision_recall_density_coverage
from slices import Rows

ROWS = Rows("evaluate_speed")


def features(count: int, width: int, seed: int) -> torch.Tensor:
    """Return [count, width] features as a classifier gives them: of few dimensions, with noise, cut at zero."""
    mix = torch.randn(16, width, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(count, 16, generator=generator)
    return (latent @ mix + 0.3 * torch.randn(count, width, generator=generator)).relu()


def timed(run: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the seconds that `run` took on the clock and on all processors together, and its result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = run()
    seconds = {"clock": time.perf_counter() - clock, "processor": time.process_time() - processor}
    return {name: round(value, 3) for name, value in seconds.items()}, result


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Time each distance once and keep the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", choices=("fid", "kid", "prdc"), nargs="+", default=["fid", "kid", "prdc"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    real, fake = features(given.samples, given.features, 1), features(given.samples, given.features, 2)
    distances: dict[str, Callable[[], Any]] = {
        "prdc": lambda: precision_recall_density_coverage(real, fake),  # first: its memory is looked at
        "fid": lambda: frechet_distance(Moments.of(fake), Moments.of(real)),
        "kid": lambda: kernel_distance(fake, real, subset_size=min(1000, given.samples))[0],
    }
    row: dict[str, Any] = {"samples": given.samples, "features": given.features, "threads": given.threads}
    row |= {"machine": platform.machine(), "torch": torch.__version__, "seconds": {}, "extra_mib": {}, "values": {}}
    for name in (name for name in distances if name in given.only):
        before = peak_mib()
        row["seconds"][name], row["values"][name] = timed(distances[name])
        row["extra_mib"][name] = round(peak_mib() - before, 1)
    ROWS.keep(f"{given.samples} x {given.features}/{'+'.join(given.only)}", row)


if __name__ == "__main__":
    main()
