"""What the figures were measured on: figures without it say nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

SYNCS = 300


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def filesystem(path: Path) -> str:
    """The kind of file system that `path` is on: the longest mount point that leads to it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text("utf-8").splitlines():
        _, point, found, *_ = line.split()
        if (path.is_relative_to(point)) and len(point) >= len(best):
            best, kind = point, found
    return kind


def sync_us(folder: Path) -> float:
    """The middle one of many small appends, each made durable: what no commit can be faster than."""
    path = folder / "sync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return sorted(times)[SYNCS // 2] * 1e6


def describe(folder: Path, binary: Path) -> dict[str, Any]:
    memory_pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_pages / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "filesystem": filesystem(folder),
        "fdatasync_us": round(sync_us(folder)),
        "load_before": round(os.getloadavg()[0], 2),
        "version": version,
    }
