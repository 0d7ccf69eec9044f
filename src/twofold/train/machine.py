"""What this machine can do, measured in a few seconds: the precision, the threads, whether code can be compiled.

bfloat16 may be twice as fast as float32 or hundreds of times slower, depending on the processor, so nothing is
decided by a name: the same matrix product is timed in each precision and at each number of threads.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from twofold.errors import ConfigError
from twofold.model.devices import DTYPES

__all__ = ["Machine", "can_compile", "matmul_flops", "measure"]


@dataclass(frozen=True)
class Machine:
    """`flops`: measured matrix-product FLOP/s by dtype name, at `threads` threads."""

    device: str
    threads: int
    dtype: str
    flops: dict[str, float]
    compiles: bool
    processor: str

    @property
    def torch_dtype(self) -> torch.dtype:
        return DTYPES[self.dtype]

    @property
    def peak(self) -> float:
        """Measured FLOP/s of the matrix product in the chosen dtype: what MFU is a share of."""
        return self.flops[self.dtype]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(device: torch.device, threads: int = 0, dtype: str = "auto", compiles: bool | None = None) -> Machine:
    """Time matrix products in each precision, and on a CPU at each sensible number of threads (0: choose).

    Sets torch's number of threads to the chosen one. Raises ConfigError for an unknown dtype.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ConfigError(f"the dtype {dtype!r} is not one of auto, {', '.join(DTYPES)}")
    if device.type == "cpu":
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        counts = [threads] if threads else sorted({max(1, usable // 2), usable})
        speeds = {}
        for count in counts:
            torch.set_num_threads(count)
            speeds[count] = matmul_flops(device, torch.float32, 1024)
        threads = max(counts, key=lambda count: speeds[count])
        torch.set_num_threads(threads)
    candidates = ["float32", "bfloat16"] if dtype == "auto" else sorted({"float32", dtype})
    flops = {name: matmul_flops(device, DTYPES[name]) for name in candidates}
    if dtype == "auto":
        dtype = "bfloat16" if flops["bfloat16"] > 1.15 * flops["float32"] else "float32"
    return Machine(
        str(device), threads, dtype, flops, can_compile(device) if compiles is None else compiles,
        torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine(),
    )


def matmul_flops(device: torch.device, dtype: torch.dtype, size: int = 2048, seconds: float = 0.6) -> float:
    """FLOP/s of a size × size product: the best of as many as fit in `seconds` (two at least)."""
    if device.type == "cuda":
        size = max(size, 8192)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def product() -> None:
        a @ b.mT
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()

    took = _seconds(product)  # a first product also sets up; a hopeless precision is not tried for long
    began = time.perf_counter()
    times: list[float] = []
    while not times or time.perf_counter() - began < seconds:
        times.append(_seconds(product))
        if took > 4 * seconds:
            break
    return 2 * size**3 / min(times)


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile can build code here: a C++ compiler on CPU, Triton on CUDA."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return bool(has_triton())
    if device.type != "cpu":
        return False
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, OSError):
        return False
    return True


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
