"""Processes under torchrun: plain torch.distributed, one flat all-reduce per update, no wrapper around networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gantlet.errors import UserError


def start(device_name: str) -> None:
    """Join the group that torchrun describes in the environment; without torchrun do nothing."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ or dist.is_initialized():
        return
    on_gpu = device_name in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if on_gpu else "gloo")


def stop() -> None:
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Return this process's number, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes, 1 without a group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rows(batch_size: int, accumulate: int) -> list[tuple[int, int]]:
    """Return (offset, size) of this process's parts of the global batch.

    Raises UserError if the batch does not divide evenly.
    """
    parts = world_size() * accumulate
    if batch_size % parts:
        raise UserError(
            f"A batch of {batch_size} cannot be split into {world_size()} processes x {accumulate} parts; "
            f"choose --batch-size as a multiple of {parts}."
        )
    size = batch_size // parts
    first = rank() * accumulate
    return [((first + part) * size, size) for part in range(accumulate)]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes: one flat buffer, one all-reduce.

    Gradients count as missing only where they are missing in every process, which is so because all run the same graph.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def agree(flags: Sequence[bool], device: torch.device) -> list[bool]:
    """Return rank 0's flags in every process (clocks differ, decisions must not)."""
    if world_size() == 1:
        return list(flags)
    tensor = torch.tensor([float(flag) for flag in flags], device=device)
    dist.broadcast(tensor, 0)
    return [value > 0 for value in tensor.cpu().tolist()]


def of_first(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Return rank 0's values in every process; the names are the same in all."""
    if world_size() == 1:
        return dict(values)
    tensor = torch.tensor(list(values.values()), device=device)
    dist.broadcast(tensor, 0)
    return dict(zip(values, tensor.cpu().tolist(), strict=True))


def any_process(flag: bool, device: torch.device) -> bool:
    """Tell whether the flag is set in any process."""
    if world_size() == 1:
        return flag
    tensor = torch.tensor(float(flag), device=device)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return bool(tensor.cpu() > 0)


def same_everywhere(tensors: Iterable[Tensor]) -> None:
    """Copy rank 0's tensors (buffers such as batch-norm statistics) to every process."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def barrier() -> None:
    """Wait for every process."""
    if world_size() > 1:
        dist.barrier()
