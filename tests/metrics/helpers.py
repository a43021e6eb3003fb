import sys
import warnings

import pytest
import torch


def normal(n: int, f: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed)) * scale + shift


def import_torchmetrics():
    """Import torchmetrics where torchvision is broken: declare the operators it misses (docs/decisions/0006)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchmetrics.image.fid
            import torchmetrics.image.kid
        except Exception:
            for name in [
                n for n in sys.modules if n.split(".")[0] in ("torchmetrics", "torchvision", "torch_fidelity")
            ]:
                del sys.modules[name]
            try:
                library = torch.library.Library("torchvision", "DEF")
                library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                import torchmetrics.image.fid
                import torchmetrics.image.kid
            except Exception as error:
                pytest.skip(f"torchmetrics cannot be imported: {error}")
    return torchmetrics
