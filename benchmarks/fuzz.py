"""Fuzz test: hundreds of thousands of mutated reviews for the webhook in both of its modes: `make fuzz`.

Exits with an error if memory grows, or at the first invalid response. In that case it writes a small body
that reproduces the response.
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
_SETTLED = 20_000  # reviews after which memory must not grow
_MAX_GROWTH_MIB = 5.0
_WIRE_SHARE = 50  # one in so many reviews is also sent over TLS
_SHRINK_SECONDS = 60


def main() -> None:
    """Prints progress, then the counts of responses, then memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--reproducer", type=Path, default=Path("fuzz-finding.json"))
    options = parser.parse_args()
    print(f"{options.reviews} reviews, seed {options.seed}", flush=True)
    judge = Judge(options.seed)
    try:
        settled_mib, last_mib = fuzz(judge, options.reviews, options.seed)
    except WrongAnswerError as finding:
        smallest = shrink(finding.body, lambda body: has_finding(judge, body))
        options.reproducer.write_bytes(smallest)
        sys.exit(f"FINDING: {finding}; {len(smallest)} bytes that reproduce it are in {options.reproducer}")
    print(f"responses: {judge.tally}")
    print(f"memory: {settled_mib:.1f} MiB after {_SETTLED} reviews, {last_mib:.1f} MiB at the end")
    if last_mib - settled_mib > _MAX_GROWTH_MIB:
        sys.exit(f"FINDING: memory grew by {last_mib - settled_mib:.1f} MiB, more than {_MAX_GROWTH_MIB:g}")


def fuzz(judge: Judge, reviews: int, seed: int) -> tuple[float, float]:
    """Checks *reviews* reviews; returns resident memory after `_SETTLED` reviews and at the end."""
    settled_mib, started = resident_mib(), time.monotonic()
    valid_reviews = documents(seed)
    with WireJudge(judge.webhooks[-1]) as wire:
        for done in range(0, reviews, _BATCH):
            check_batch(judge, wire, ReviewMutator(seed + done, valid_reviews), min(_BATCH, reviews - done))
            if done + _BATCH == _SETTLED:
                settled_mib = resident_mib()
            if (done + _BATCH) % _SETTLED == 0:
                rate = (done + _BATCH) / (time.monotonic() - started)
                print(f"{done + _BATCH} reviews, {rate:.0f}/s, {resident_mib():.1f} MiB", flush=True)
        return settled_mib, resident_mib()


def check_batch(judge: Judge, wire: WireJudge, mutator: ReviewMutator, count: int) -> None:
    """Checks the reviews of one seed."""
    for number, body in enumerate(mutator.reviews(count)):
        judge.check(body)
        if number % _WIRE_SHARE == 0:
            wire.check(body)


def has_finding(judge: Judge, body: bytes) -> bool:
    """True if a response to *body* is invalid."""
    try:
        judge.check(body)
    except WrongAnswerError:
        return True
    return False


def shrink(body: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A smaller body that also fails: removes parts of *body*, large ones first."""
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
    """The resident memory of this process, after freed memory is returned to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
