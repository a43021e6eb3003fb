"""Time the distances of one judgement: 10,000 samples against 10,000 of 128 features; prints one JSON row.

Run: python benchmarks/evaluate_speed.py [--samples N] [--features F] [--threads T]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import torch

from gantlet.metrics import Moments, frechet_distance, kernel_distance, precision_recall_density_coverage


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
    """Time each distance once and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    real, fake = features(given.samples, given.features, 1), features(given.samples, given.features, 2)
    before = peak_mib()
    manifold_seconds, manifold = timed(lambda: precision_recall_density_coverage(real, fake))
    manifold_mib = peak_mib() - before
    fid_seconds, fid = timed(lambda: frechet_distance(Moments.of(fake), Moments.of(real)))
    kid_seconds, kid = timed(lambda: kernel_distance(fake, real, subset_size=min(1000, given.samples)))
    row = {
        "benchmark": "evaluate_speed",
        "samples": given.samples,
        "features": given.features,
        "threads": given.threads,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "seconds": {"fid": fid_seconds, "kid": kid_seconds, "prdc": manifold_seconds},
        "prdc_extra_mib": round(manifold_mib, 1),
        "values": {"fid": fid, "kid": kid[0], **manifold},
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
