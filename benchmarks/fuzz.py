"""Hundreds of thousands of mutated reviews against the webhook in both of its modes: `make fuzz`.

Ends with an error where memory grows, and at the first answer that must not be: then it has written a small
body that brings it about.
"""

import argparse
import ctypes
import gc
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.webhook.fuzzing import Judge, WireJudge, WrongAnswerError, documents
from tests.webhook.mutations import ReviewMutator

_BATCH = 1000
_SETTLED = 20_000  # reviews after which memory has to stay as it is
_MOST_GROWTH_MIB = 5.0
_WIRE_SHARE = 50  # one review in so many goes over TLS, too
_SHRINK_SECONDS = 60


def main() -> None:
    """Print progress, then memory, then what the answers were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--reproducer", type=Path, default=Path("fuzz-finding.json"))
    given = parser.parse_args()
    print(f"{given.reviews} reviews, seed {given.seed}", flush=True)
    judge = Judge(given.seed)
    try:
        settled_mib, last_mib = fuzz(judge, given.reviews, given.seed)
    except WrongAnswerError as finding:
        smallest = shrunk(finding.body, lambda body: has_finding(judge, body))
        given.reproducer.write_bytes(smallest)
        sys.exit(f"FINDING: {finding}; {len(smallest)} bytes that show it are in {given.reproducer}")
    print(f"answers: {judge.tally}")
    print(f"memory: {settled_mib:.1f} MiB after {_SETTLED} reviews, {last_mib:.1f} MiB at the end")
    if last_mib - settled_mib > _MOST_GROWTH_MIB:
        sys.exit(f"FINDING: memory grew by {last_mib - settled_mib:.1f} MiB, more than {_MOST_GROWTH_MIB:g}")


def fuzz(judge: Judge, reviews: int, seed: int) -> tuple[float, float]:
    """Check so many reviews; resident memory once it had settled, and at the end."""
    settled_mib, began = resident_mib(), time.monotonic()
    starts = documents(seed)
    with WireJudge(judge.webhooks[-1]) as wire:
        for done in range(0, reviews, _BATCH):
            check_batch(judge, wire, ReviewMutator(seed + done, starts), min(_BATCH, reviews - done))
            if done + _BATCH == _SETTLED:
                settled_mib = resident_mib()
            if (done + _BATCH) % _SETTLED == 0:
                rate = (done + _BATCH) / (time.monotonic() - began)
                print(f"{done + _BATCH} reviews, {rate:.0f}/s, {resident_mib():.1f} MiB", flush=True)
        return settled_mib, resident_mib()


def check_batch(judge: Judge, wire: WireJudge, mutator: ReviewMutator, count: int) -> None:
    """The reviews of one seed."""
    for number, body in enumerate(mutator.reviews(count)):
        judge.check(body)
        if number % _WIRE_SHARE == 0:
            wire.check(body)


def has_finding(judge: Judge, body: bytes) -> bool:
    """True where some answer to *body* must not be."""
    try:
        judge.check(body)
    except WrongAnswerError:
        return True
    return False


def shrunk(body: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A smaller body that fails, too: piece after piece is left out, large ones first."""
    deadline, size = time.monotonic() + _SHRINK_SECONDS, len(body) // 2
    while size and time.monotonic() < deadline:
        start = 0
        while start < len(body):
            shorter = body[:start] + body[start + size :]
            if fails(shorter):
                body = shorter
            else:
                start += size
        size //= 2
    return body


def resident_mib() -> float:
    """The resident memory of this process, without what was freed: large bodies leave holes in the heap."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
