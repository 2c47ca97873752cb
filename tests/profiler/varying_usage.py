"""Emojivoto with usage that varies, so that every sample changes the learned state."""

import math

from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus


def daily_rhythm(second: int) -> float:
    """A factor of usage: high by day, low by night, and different in each of 97 successive steps."""
    return 1.5 + math.sin(second / 86400 * 2 * math.pi) + (second // 300 % 97) / 97


def varying_prometheus() -> EmojivotoPrometheus:
    """A Prometheus in which CPU and memory of all containers follow `daily_rhythm`."""
    return EmojivotoPrometheus(cpu_factor=daily_rhythm, memory_factor=daily_rhythm)
