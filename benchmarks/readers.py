"""Every kind of data that Gantlet reads: sound files of it, and what reads them; run_readers.py has those of runs.

A kind is given a folder of its own with whatever belongs beside the file; the file is then replaced by a damaged one
and read. Files of a checkpoint are named in its manifest again, so that damage gets past the checksums, as in a
checkpoint that somebody made on purpose.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantlet.applying.mels import read_mel
from gantlet.data import inspect, open_clips, open_images, open_lines, open_sounds
from gantlet.engine import storage
from gantlet.media.audio import read_sound, read_sound_header, wav_bytes, write_sound
from gantlet.media.clip import ClipWriter, open_clip
from gantlet.media.medical import read_dicom, read_nifti
from gantlet.media.picture import read_picture
from gantlet.media.tiff import encode_tiff

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name in its folder, sound files of it, and what reads it, given its path."""

    name: str
    seeds: tuple[bytes, ...]
    read: tuple[Read, ...]
    beside: Callable[[Path], object] = lambda folder: None  # writes what belongs beside it, once
    reseal: bool = field(default=False)  # name the file in the manifest again

    def place(self, folder: Path) -> Path:
        """Lay out a folder for files of this kind and return where they go."""
        folder.mkdir(parents=True, exist_ok=True)
        self.beside(folder)
        return folder / self.name

    def put(self, path: Path, data: bytes) -> None:
        """Write the file, and its name and sum into the manifest where that is asked for."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if self.reseal:
            manifest = json.loads((path.parent / storage.MANIFEST).read_bytes())
            manifest["files"][path.name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            (path.parent / storage.MANIFEST).write_text(json.dumps(manifest))


def picture(form: str, mode: str = "RGB", side: int = 16, **options: Any) -> bytes:
    """Return a small picture file of noise on a ramp."""
    rng = np.random.default_rng(side)
    ramp = np.arange(side)[:, None, None] * 9 + rng.integers(0, 60, (side, side, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    image = Image.fromarray(ramp[..., 0].astype(np.uint16) * 99) if mode == "I;16" else image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def moving(form: str) -> bytes:
    frames = [Image.open(io.BytesIO(picture("PNG", side=12))).rotate(90 * i) for i in range(5)]
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], duration=40)
    return buffer.getvalue()


def arrays(**named: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def array(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def zipped(deflate: bool) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for index in range(4):
            archive.writestr(f"{'ab'[index % 2]}/{index}.png", picture("PNG", side=8 + index))
    return buffer.getvalue()


def tarred(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for index in range(4):
            info, data = tarfile.TarInfo(f"{'ab'[index % 2]}/{index}.bmp"), picture("BMP", side=6)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def written(suffix: str, write: Callable[[Path], object]) -> bytes:
    """Return the bytes of a file that something else writes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"seed{suffix}")
        write(path)
        return path.read_bytes()


def tone(channels: int = 1, seconds: float = 0.05) -> np.ndarray[Any, Any]:
    at = np.arange(int(8000 * seconds)) / 8000
    return np.stack([0.5 * np.sin(440 * (c + 1) * at) for c in range(channels)]).astype(np.float32)


def film(path: Path) -> None:
    with ClipWriter(path, 12.5) as writer:
        for index in range(8):
            writer.write(np.full((16, 16, 3), 30 * index, np.uint8))


def nifti(packed: bool) -> bytes:
    import nibabel

    content = nibabel.Nifti1Image(np.arange(240, dtype=np.int16).reshape(8, 6, 5), np.eye(4)).to_bytes()
    return gzip.compress(content, mtime=0) if packed else content


def dicom() -> bytes:
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    scan = pydicom.Dataset()
    scan.file_meta = FileMetaDataset()
    scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan.file_meta.MediaStorageSOPClassUID = scan.SOPClassUID = CTImageStorage
    scan.file_meta.MediaStorageSOPInstanceUID = scan.SOPInstanceUID = generate_uid(entropy_srcs=["seed"])
    scan.Rows, scan.Columns, scan.SamplesPerPixel, scan.PhotometricInterpretation = 8, 6, 1, "MONOCHROME2"
    scan.BitsAllocated, scan.BitsStored, scan.HighBit, scan.PixelRepresentation = 16, 12, 11, 0
    scan.PixelSpacing, scan.RescaleSlope, scan.RescaleIntercept = [0.5, 0.5], 1, -1024
    scan.PixelData = np.arange(48, dtype=np.uint16).tobytes()
    buffer = io.BytesIO()
    scan.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def pictures_beside(folder: Path) -> None:
    for index in range(4):
        (folder / f"{index}.png").write_bytes(picture("PNG", side=8))


def sounds_beside(folder: Path) -> None:
    for index in range(2):
        (folder / f"{index}.wav").write_bytes(wav_bytes(tone() * (0.4 + index / 3), 8000))


def images_of(path: Path) -> object:
    data = open_images(path, cache=path.parent.parent / "cache")
    return data.batch(np.arange(min(len(data), 4)))


def looked_at(path: Path) -> object:
    return inspect(path, cache=path.parent.parent / "cache").lines()


def folder_of(read: Read) -> Read:
    return lambda path: read(path.parent)


def of_data() -> dict[str, Kind]:
    """Return pictures, arrays, tables, archives and text."""
    data: tuple[Read, ...] = (images_of, looked_at)
    both: tuple[Read, ...] = (images_of, read_picture)
    still = {
        "png": (picture("PNG"), picture("PNG", "P"), picture("PNG", "RGBA"), picture("PNG", "I;16")),
        "jpg": (picture("JPEG"), picture("JPEG", "L"), picture("JPEG", progressive=True)),
        "webp": (picture("WEBP"), picture("WEBP", lossless=True)), "gif": (picture("GIF"),),
        "bmp": (picture("BMP"), picture("BMP", "1")), "ppm": (picture("PPM"), picture("PPM", "L")),
        "tif": (picture("TIFF"), picture("TIFF", "L", compression="tiff_lzw")),
    }  # fmt: skip
    found = {kind: Kind(f"file.{kind}", seeds, both) for kind, seeds in still.items()}
    deep = (encode_tiff(np.ones((6, 5, 5), np.uint16)), encode_tiff(np.ones((6, 5, 4), np.float32), True))
    found["deep tif"] = Kind("file.tif", deep, (read_picture,))
    pixels = np.arange(5 * 8 * 8 * 3, dtype=np.uint8).reshape(5, 8, 8, 3)
    mel = {"mels": 4, "n_fft": 64, "hop": 16, "sample_rate": 8000}
    mels = arrays(mel=np.ones((4, 9), np.float32), **mel)
    idx = struct.pack(">IIII", 0x803, 6, 5, 4) + bytes(range(120))
    text = "\n".join(f"line {i} of a small text ." for i in range(30)).encode()
    table = b"text,label\n" + b"".join(b'"a line, %d",%d\n' % (i, i % 2) for i in range(20))
    wide = text.decode().encode("utf-16")
    found |= {
        "npy": Kind("file.npy", (array(pixels), array(pixels[..., 0] / 255)), (*both, looked_at)),
        "npz": Kind("file.npz", (arrays(images=pixels, labels=np.arange(5) % 2),), data),
        "npz of sounds": Kind("file.npz", (arrays(audio=np.ones((4, 1, 99), np.float32) / 3, sample_rate=8000),),
                              (lambda path: open_sounds(path, duration=0.01), looked_at)),
        "npz of clips": Kind("file.npz", (arrays(clips=np.ones((3, 6, 8, 8, 1), np.uint8), frame_rate=8.0),),
                             (partial(open_clips, num_frames=4), looked_at)),
        "mel.npz": Kind("file.npz", (mels,), (lambda path: read_mel(path, mel),)),
        "idx": Kind("train-images-idx3-ubyte", (idx,), tuple(map(folder_of, data))),
        "idx.gz": Kind("train-images-idx3-ubyte.gz", (gzip.compress(idx, mtime=0),), tuple(map(folder_of, data))),
        "cifar": Kind("data_batch_1.bin", (bytes(range(10)) * 7 + bytes(3003),) * 1, tuple(map(folder_of, data))),
        "labels.csv": Kind("labels.csv", (b"file,label\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n",),
                           tuple(map(folder_of, data)), pictures_beside),
        "zip": Kind("file.zip", (zipped(True), zipped(False)), data),
        "tar": Kind("file.tar", (tarred("w"),), data), "tar.gz": Kind("file.tar.gz", (tarred("w:gz"),), data),
        "txt": Kind("file.txt", (text, wide, text.replace(b"line", b"l\xefne")), (open_lines, looked_at)),
        "txt.gz": Kind("file.txt.gz", (gzip.compress(text, mtime=0),), (open_lines,)),
        "csv": Kind("file.csv", (table, table.replace(b",", b";")), (open_lines, looked_at)),
        "tsv": Kind("file.tsv", (table.replace(b",", b"\t"),), (open_lines,)),
    }  # fmt: skip
    return found


def of_media() -> dict[str, Kind]:
    """Return recordings, clips and medical pictures, as far as their libraries are here."""
    heard = tuple(map(folder_of, (partial(open_sounds, sample_rate=8000, duration=0.02), looked_at)))
    reads: tuple[Read, ...] = (read_sound, read_sound_header, *heard)
    depths = tuple(written(".wav", partial(write_sound, wave=tone(2), sample_rate=8000, depth=d)) for d in (16, 24, 32))
    seen: tuple[Read, ...] = (lambda path: open_clip(path, path.suffix, path).read(),)
    found = {
        "wav": Kind("file.wav", (wav_bytes(tone(), 8000), *depths), reads, sounds_beside),
        "gif clip": Kind("file.gif", (moving("GIF"),), seen), "webp clip": Kind("file.webp", (moving("WEBP"),), seen),
    }  # fmt: skip
    if find_spec("soundfile"):
        for suffix in (".flac", ".ogg"):
            seed = written(suffix, lambda path: write_sound(path, tone(1, 0.2), 8000))
            found[suffix[1:]] = Kind(f"file{suffix}", (seed,), reads, sounds_beside)
    if find_spec("av"):
        for suffix in (".mp4", ".webm"):
            found[suffix[1:]] = Kind(f"file{suffix}", (written(suffix, film),), seen)
    if find_spec("nibabel"):
        found["nii"] = Kind("file.nii", (nifti(False),), (read_nifti,))
        found["nii.gz"] = Kind("file.nii.gz", (nifti(True),), (read_nifti,))
    if find_spec("pydicom"):
        found["dcm"] = Kind("file.dcm", (dicom(),), (read_dicom,))
    return found
