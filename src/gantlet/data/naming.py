"""What names of files say: the stem, the group of a pattern, and which files of two sides are partners."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gantlet.errors import UserError
from gantlet.media.foreign import shown


def stem(name: str) -> str:
    """Return the name of a file without folders and without its ending."""
    return name.rpartition("/")[2].rpartition(".")[0] or name


def compiled(option: str, text: str, what: str) -> re.Pattern[str]:
    """Return the pattern that an option gives, whose first group is `what`.

    Raises UserError for a pattern that is none or has no group.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"{option} '{shown(text)}' is no regular expression ({error}); mend it.") from error
    if not pattern.groups:
        raise UserError(f"{option} '{shown(text)}' has no group; put {what} in brackets: ([a-z]+)_ .")
    return pattern


def stems_suffice(*sides: Sequence[str]) -> bool:
    """Tell whether partners can be told by their stems: no side has two files of one."""
    return all(len({stem(path) for path in paths}) == len(paths) for paths in sides)


def by_key(paths: Sequence[str], stems: bool, what: str, where: str) -> dict[str, int]:
    """Return the positions of the files of one side, whose paths are below its folder; partners have the same key.

    The key is the stem, or the path without its ending. Raises UserError where a key occurs twice.
    """
    found: dict[str, int] = {}
    for index, path in enumerate(paths):
        key = stem(path) if stems else "".join((*path.rpartition("/")[:2], stem(path)))
        if key in found:
            raise UserError(
                f"{where}: '{shown(paths[found[key]])}' and '{shown(path)}' are two {what} of one name, so partners "
                "cannot be told apart; rename or remove one."
            )
        found[key] = index
    return found
