"""The log of a run: one strict JSON object a line, readable while it is written and after a crash."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

# events that stay true after the run went back to an earlier step
_HISTORY = ("health", "rollback", "treatment", "resume")


def read_log(path: Path | str) -> list[dict[str, Any]]:
    """Return the records of a log; a missing file is empty, a cut or damaged line is left out."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    records = (_record(line) for line in lines)
    return [record for record in records if record is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def strict(value: Any) -> Any:
    """Return `value` as strict JSON can hold it: "nan", "inf" and "-inf" as strings, arrays as lists, paths as text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, tensors
        return strict(value.tolist())
    return str(value)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary neighbour, synced, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class RunLog:
    """Appends records to a log, each line out of this process before `append` returns."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        self._mend()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record as one line of strict JSON; on a full disk the log stays as it was."""
        line = json.dumps(strict(record), allow_nan=False).encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            os.ftruncate(self._file.fileno(), size)
            raise

    def truncate_after(self, step: int) -> None:
        """Forget what a resumed run will write again: later records, but for the events that say why it went back."""
        kept = [record for record in read_log(self.path) if not _later(record, step)]
        self._file.close()
        try:
            lines = (json.dumps(strict(record), allow_nan=False) + "\n" for record in kept)
            replace_file(self.path, "".join(lines).encode())
        finally:
            self._file = self.path.open("ab", buffering=0)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mend(self) -> None:
        """End a last line that a killed process left open: complete it if it is whole, else drop it."""
        content = self.path.read_bytes()
        if not content or content.endswith(b"\n"):
            return
        start = content.rfind(b"\n") + 1
        if _record(content[start:]) is None:
            os.ftruncate(self._file.fileno(), start)
        else:
            self._file.write(b"\n")


def _later(record: Mapping[str, Any], step: int) -> bool:
    at = record.get("step")
    return record.get("event") not in _HISTORY and isinstance(at, (int, float)) and at > step
