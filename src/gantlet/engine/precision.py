"""Where and how precisely to compute: devices, bf16 where the hardware multiplies it, channels-last."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

import torch
from torch import nn

from gantlet.errors import UserError, suggest

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "fp32")


def choose_device(name: str) -> torch.device:
    """Return the device called `name`, where "auto" is a GPU when there is one.

    Raises UserError for an unknown name or a device this machine does not have.
    """
    if name not in DEVICES:
        raise UserError(f"Unknown device '{name}'; choose one of {', '.join(DEVICES)}.{suggest(name, DEVICES)}")
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if found[kind])
    if not found[name]:
        raise UserError(f"This machine (or this build of PyTorch) has no '{name}' device; use --device cpu or auto.")
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def multiplies_bf16(device: torch.device) -> bool:
    """Tell whether the hardware multiplies bf16 natively; emulated bf16 is far slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and platform.system() == "Linux":
        with contextlib.suppress(OSError):
            flags = Path("/proc/cpuinfo").read_text()
            return " amx_bf16" in flags or " avx512_bf16" in flags
    return False


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of autocast for a precision's name; float32 means no autocast. Raises UserError if unknown."""
    if name not in PRECISIONS:
        raise UserError(
            f"Unknown precision '{name}'; choose one of {', '.join(PRECISIONS)}.{suggest(name, PRECISIONS)}"
        )
    if name == "bf16" or (name == "auto" and multiplies_bf16(device)):
        return torch.bfloat16
    return torch.float32


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device, the weights of its convolutions channels-last, in the plane and in space."""
    network = network.to(device=device)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.dim() in formats and tensor.is_floating_point():
            # Not `contiguous`: it leaves kernels of one channel or one pixel as they are, and convolutions go by them.
            tensor.data = tensor.data.to(memory_format=formats[tensor.dim()])
    return network


def describe(device: torch.device) -> str:
    """Return the device in words, for run.json and reports."""
    if device.type == "cuda":
        return (
            f"{torch.cuda.get_device_name(device)} ({torch.cuda.get_device_properties(device).total_memory >> 30} GiB)"
        )
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return f"{device.type}: {model}, {torch.get_num_threads()} threads"
