"""The Inception network of published FIDs: one TorchScript file, known by its checksum."""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import tempfile
import urllib.request
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gantlet.errors import UserError
from gantlet.metrics.features import Features

FILE = "inception-2015-12-05.pt"
URL = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files/metrics/" + FILE
# Stated alike by k-diffusion, which has checked downloads against it since 2022, and by later audits of the file.
SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
BYTES = 95_607_719
SIDE = 299

RULES = {
    "clean": "clean: pixels rounded to 8 bits, each channel to 299x299 by Pillow's antialiased bicubic in float32, "
    "clipped to 0..255, not rounded (clean-fid)",
    "tf": "tf: pixels rounded to 8 bits, to 299x299 by the file's own bilinear without antialias, as TensorFlow did "
    "(StyleGAN)",
}


def inception_features(
    path: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    *,
    resize: Literal["clean", "tf"] = "clean",
    logits: bool = False,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> Features:
    """Return the 2048 features of the Inception that the StyleGAN line and clean-fid measure with.

    Without `path` the standard file is looked for in `cache` (by default ~/.cache/gantlet) and fetched there once,
    96 MB, and nothing is loaded unless its SHA-256 is the pinned one. A TorchScript file is a program: loading one
    from an untrusted place lets it run operators of its choice, write files among them. That is why a checksum is
    demanded, unless a person names a `path` and so vouches for it; its SHA-256 is in the protocol of every number,
    and a file that is not the standard one is named as such.

    resize "clean" is the rule of clean-fid, "tf" that of the StyleGAN papers: their numbers differ, so the rule is in
    the metric's name (fid@clean). `logits` runs the network a second time for the inception score, without output
    bias as in the original; they are ImageNet's classes, not the data's.

    Raises UserError when the file is missing and cannot be fetched, has another checksum, or is no such network.

    Sources: Heusel et al. 2017, arXiv:1706.08500; Parmar et al. 2022, arXiv:2104.11222; Karras et al. 2020,
    arXiv:2006.06676.
    """
    if resize not in RULES:
        raise UserError(f"resize must be 'clean' or 'tf', not {resize!r}.")
    file = fetch_inception(cache) if path is None else Path(path)
    if not file.is_file():
        raise UserError(f"There is no file {file}; give the path of {FILE}.")
    fingerprint = file_sha256(file)
    network = _load(file, device)
    return Features(
        name="inception-2015-12-05" if fingerprint == SHA256 else f"{file.name} (not the standard Inception file)",
        fingerprint=fingerprint,
        resize=RULES[resize],
        num_features=_probe(network, file, device),
        channels=3,
        network=network,
        extract=functools.partial(_extract, clean=resize == "clean", logits=logits),
        device=device,
        batch_size=batch_size,
    )


def fetch_inception(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the standard file in `cache`, fetching it there when it is missing or damaged.

    The file gets its name only after its size and SHA-256 are right, so a broken download leaves nothing behind.
    Raises UserError when it cannot be fetched or the server gives another file.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = home / "gantlet" if cache is None else Path(cache)
    target = folder / FILE
    if target.is_file() and file_sha256(target) == SHA256:
        return target
    advice = f"Download it yourself from {URL} and give its path."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=FILE, suffix=".part")
    except OSError as error:
        raise UserError(f"{FILE} cannot be kept in {folder} ({error}). {advice}") from error
    try:
        with os.fdopen(descriptor, "wb") as out, urllib.request.urlopen(URL, timeout=60) as answer:
            left = BYTES + 1
            while left > 0 and (block := answer.read(min(1 << 20, left))):
                out.write(block)
                left -= len(block)
        found = file_sha256(Path(temporary))
        if found != SHA256:
            raise UserError(f"The server gave a file with SHA-256 {found}, not the {FILE} of {SHA256}. {advice}")
        os.replace(temporary, target)
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{FILE} could not be fetched ({error}). {advice}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def clean_resize(pixels: Tensor, side: int = SIDE) -> Tensor:
    """Return uint8 `pixels` [N, C, H, W] as float32 [N, C, side, side] in 0..255, by the rule of clean-fid.

    Each channel alone, as a float image, by Pillow's bicubic with antialiasing; clipped, not rounded.

    Source: Parmar, Zhang & Zhu 2022, arXiv:2104.11222, section 3.
    """
    planes = pixels.cpu().numpy().astype(np.float32)
    out = np.empty((*planes.shape[:2], side, side), dtype=np.float32)
    for i, image in enumerate(planes):
        for channel, plane in enumerate(image):
            out[i, channel] = Image.fromarray(plane).resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(out.clip(0, 255)).to(pixels.device)


def _load(file: Path, device: torch.device | str) -> nn.Module:
    try:
        with warnings.catch_warnings():
            # torch says that TorchScript is deprecated; the published weights exist in no other form
            warnings.simplefilter("ignore", category=DeprecationWarning)
            warnings.simplefilter("ignore", category=FutureWarning)
            network: nn.Module = torch.jit.load(str(file), map_location=torch.device(device))  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{file} is no TorchScript file that this PyTorch can load; the right one is {URL}.") from error
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()


def _probe(network: nn.Module, file: Path, device: torch.device | str) -> int:
    try:
        with torch.no_grad():
            found = network(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8, device=device), return_features=True)
        width = int(found.reshape(1, -1).shape[1])
        if not hasattr(network, "layers"):
            raise RuntimeError("no layers")
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{file} holds another network than {FILE}: it gives no features for an image.") from error
    return width


def _extract(network: nn.Module, pixels: Tensor, *, clean: bool, logits: bool) -> tuple[Tensor, Tensor | None]:
    images = clean_resize(pixels) if clean else pixels.contiguous()
    if clean:
        found = network.layers((images - 128) / 128)  # type: ignore[operator]  # past the file's own resizing
    else:
        found = network(images, return_features=True)
    scores = network(images, no_output_bias=True).float().clamp_min(1e-38).log() if logits else None
    return found.reshape(len(images), -1), scores
