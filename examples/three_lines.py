"""Train on your own pictures, or on the built-in digits, and use the model: three lines of Python and a printout.

python examples/three_lines.py [DATA] [OUT] [SECONDS]
"""

from __future__ import annotations

import sys

import gantlet


def main(data: str = "digits", out: str = "runs/three-lines", seconds: float = 60.0) -> None:
    """Train (or go on training) on `data` for `seconds` in all, then draw samples and walk between them."""
    model = gantlet.train(data=data, out=out, seconds=seconds)
    pictures = model.sample(16, seed=0)  # [16, C, H, W] float32 in [-1, 1]
    walks = model.interpolate(rows=4, steps=8)  # [4, 8, C, H, W]
    print(f"{len(pictures)} samples of {list(pictures.shape[1:])}, {len(walks)} walks of {walks.shape[1]} pictures.")
    print(f"From any other script: gantlet.load({out!r}).sample(16)")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(float, sys.argv[3:4]))
