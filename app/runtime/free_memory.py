"""Returns free memory of the C library to the kernel, which it does by itself only at the end of its heap.

After a flood, 100 MB of freed buffers would otherwise stay between living objects until the process exits.
"""

import asyncio
import ctypes
import os
from pathlib import Path
from typing import NoReturn

_PERIOD_SECONDS = 10.0
_KEPT_BYTES = 8 * 1024 * 1024


async def release_free_memory(period_seconds: float = _PERIOD_SECONDS) -> NoReturn:
    """While the resident memory is 8 MiB above its lowest, release what of it is free; until cancelled.

    It takes 0.3 to 4 ms.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, other C libraries have not
    lowest_bytes = resident_bytes()
    while True:
        await asyncio.sleep(period_seconds)
        if trim and resident_bytes() > lowest_bytes + _KEPT_BYTES:
            trim(0)
        lowest_bytes = min(lowest_bytes, resident_bytes())


def resident_bytes() -> int:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
