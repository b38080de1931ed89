"""`replay --wires DIR`: the request bodies that would be sent, one file each."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ctxwindow.errors import MisuseError
from ctxwindow.tiers import Send

__all__ = ["Wires"]


class Wires:
    """A folder that gets either all files of a replay or none.

    They are written into a folder inside it and moved up at the end. A replay that ends in an overflow has an end:
    what was sent before is kept.
    """

    def __init__(self, folder: Path) -> None:
        """Take a folder that is new or empty: what is in it could be taken for files of this replay.

        Raises:
            MisuseError: it is neither, or it cannot be made or written.
        """
        self.folder = folder
        self._made = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise MisuseError("the folder is not empty.", path=str(folder), remedy="Name a new or an empty folder.")
            self._draft = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        except OSError as error:
            raise self._refused(error) from None

    def write(self, send: Send) -> None:
        """Add a request body: `0001.json` for the first.

        Raises:
            MisuseError: it cannot be written.
        """
        try:
            with (self._draft / f"{send.number:04d}.json").open("w", encoding="ascii", newline="\n") as file:
                json.dump(send.request, file, ensure_ascii=True, indent=1)
                file.write("\n")
        except OSError as error:
            raise self._refused(error) from None

    @contextlib.contextmanager
    def filling(self) -> Iterator[Wires]:
        """Keep what is written inside, unless an exception ends it.

        Raises:
            MisuseError: the files cannot be moved into their place.
        """
        try:
            yield self
        except BaseException:
            self._discard()
            raise
        try:
            for path in sorted(self._draft.iterdir()):
                path.replace(self.folder / path.name)
            self._draft.rmdir()
        except OSError as error:
            self._discard()
            raise self._refused(error) from None

    def _discard(self) -> None:
        shutil.rmtree(self._draft, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _refused(self, error: OSError) -> MisuseError:
        reason = (error.strerror or "no reason given").lower()
        return MisuseError(
            f"the folder cannot be written: {reason}.", path=str(self.folder), remedy="Name another folder."
        )
