"""Files that are small by their purpose, such as tokens and certificates; another path may never end."""

import errno
import os
from pathlib import Path

_MAX_BYTES = 1024 * 1024


def read_small_file(path: str | Path, max_bytes: int = _MAX_BYTES) -> bytes:
    """The content of the file.

    Raises:
        OSError: it can't be read, or is larger than *max_bytes*.
    """
    with Path(path).open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content
