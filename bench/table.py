"""The table of what was promised and what was measured, from the JSON files of bench/results."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass
class Promise:
    """One line of the table. `value` takes its figure out of the measurement; None where it is not there."""

    row: str
    what: str
    floor: float
    aim: float
    unit: str
    value: Callable[[dict[str, Any]], float | None]
    more_is_better: bool = True


@dataclass
class Line:
    promise: Promise
    value: float | None
    measured: dict[str, Any]


def in_mib(name: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda measured: measured[name] / MIB if measured.get(name) else None


PROMISES = (
    Promise(
        "uniform", "single payments, HMAC, 10,000 wallets, 256 connections, SQLite",
        20_000, 30_000, "/s", lambda m: m["value"],
    ),
    Promise("hot", "the same with 90 % to one merchant", 0.9, 0.95, "× uniform", lambda m: m["value"]),
    Promise("bulk", "bulk of 50", 30_000, 60_000, "/s", lambda m: m["value"]),
    Promise("steady", "open loop, 5,000/s: p99", 10, 5, "ms", lambda m: m["value"], more_is_better=False),
    Promise("postgres", "PostgreSQL, 256 connections", 5, 10, "× pgbench", lambda m: m["value"]),
    Promise("filled", "after {filled} payments: throughput", 0.6, 0.9, "× empty", lambda m: m["value"]),
    Promise(
        "filled", "after {filled} payments: the slowest list, 100 rows a page",
        50, 50, "ms", lambda m: m["slowest_list_ms"], more_is_better=False,
    ),
    Promise("filled", "memory, idle", 64, 32, "MiB", in_mib("idle_rss_bytes"), more_is_better=False),
    Promise("filled", "memory, under load", 192, 128, "MiB", in_mib("load_rss_bytes"), more_is_better=False),
    Promise(
        "filled", "disk a payment, its order, wallets and all else included",
        1_000, 400, "bytes", lambda m: m["bytes_per_payment"], more_is_better=False,
    ),
    Promise(
        "filled", "start to ready, {filled} payments there",
        200, 100, "ms", lambda m: m["start_ms"], more_is_better=False,
    ),
)  # fmt: skip


def lines_of(row: str, measured: dict[str, Any]) -> list[Line]:
    return [Line(promise, promise.value(measured), measured) for promise in PROMISES if promise.row == row]


def number(value: float | None) -> str:
    if value is None:
        return "–"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def verdict(line: Line) -> str:
    if line.value is None:
        return "not measured"
    if line.measured["errors"]:
        return f"**{line.measured['errors']} wrong answers**"
    sign = 1 if line.promise.more_is_better else -1
    if sign * line.value >= sign * line.promise.aim:
        return "aim met"
    return "floor met" if sign * line.value >= sign * line.promise.floor else "**below the floor**"


def what(line: Line) -> str:
    return line.promise.what.replace("{filled}", f"{line.measured.get('filled_with', 0):,}")


def in_words(line: Line) -> str:
    return f"{what(line)}: {number(line.value)} {line.promise.unit}, {verdict(line)}".replace("*", "")


def behind(line: Line) -> str:
    """What stands behind the figure: spread, latency, CPU; so that nobody has to open the JSON for it."""
    measured, row = line.measured, line.promise.row
    if row in ("uniform", "bulk"):
        run, rates = measured["middle"], [run["payments_per_second"] for run in measured["runs"]]
        return (
            f"{number(min(rates))} to {number(max(rates))} in {len(rates)} run(s); p50 {run['p50_ms']} ms, "
            f"p99 {run['p99_ms']} ms; CPU a payment: server {run.get('server_cpu_us_per_payment', '–')} µs, "
            f"generator {run['generator_cpu_us_per_payment']} µs"
        )
    if row == "hot":
        return "; ".join(
            f"{name} {number(min(rates))} to {number(max(rates))}"
            for name in ("uniform", "hot")
            if (rates := [run["payments_per_second"] for run in measured[name]])
        )
    if row == "steady":
        run = measured["run"]
        return (
            f"p50 {run['p50_ms']} ms, p99.9 {run['p999_ms']} ms, max {run['max_ms']} ms, {run['seconds']} s"
        )
    if row == "postgres":
        clients = ", ".join(measured["pgbench_by_clients"])
        return (
            f"{number(measured['payments_per_second'])}/s against {number(measured['pgbench_tps'])}/s "
            f"(TPC-B, scale {measured['pgbench_scale']}, the best of {clients} clients)"
        )
    if line.promise.what.endswith("throughput"):
        return (
            f"{number(measured['payments_per_second'])}/s against "
            f"{number(measured['empty_payments_per_second'])}/s"
        )
    if "slowest list" in line.promise.what:
        worst = max(measured["lists"], key=lambda row: row["max_ms"] or 0, default=None)
        return f"{worst['list']}; all of them stand below" if worst else "no list answered"
    return ""


def machines(found: list[dict[str, Any]]) -> list[str]:
    """Each machine once, with how long its disk took to make a small write durable before the different rows."""
    syncs: dict[str, list[int]] = {}
    for m in (measured["machine"] for measured in found):
        name = f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['kernel']}, {m['filesystem']}"
        syncs.setdefault(name, []).append(m["fdatasync_us"])
    return [
        f"Machine: {name}; fdatasync of 4 KiB {min(times)} to {max(times)} µs."
        for name, times in syncs.items()
    ]


def lists_table(measured: dict[str, Any]) -> list[str]:
    out = [
        f"## Lists, after {measured['filled_with']:,} payments",
        "",
        "100 rows a page, page after page.",
        "",
    ]
    out += ["| list | status | pages | p50, ms | max, ms |", "|---|---:|---:|---:|---:|"]
    for row in measured["lists"]:
        p50, slowest = number(row["p50_ms"]), number(row["max_ms"])
        out.append(f"| {row['list']} | {row['status']} | {row['asked']} | {p50} | {slowest} |")
    return [*out, ""]


def row_of(promise: Promise, measured: dict[str, Any] | None) -> str:
    unit = promise.unit
    if measured is None:
        name = promise.what.replace("{filled}", "many")
        cells = [
            name,
            f"{number(promise.floor)} {unit}",
            f"{number(promise.aim)} {unit}",
            "–",
            "not measured",
            "",
            "",
        ]
    else:
        line = Line(promise, promise.value(measured), measured)
        cells = [what(line), f"{number(promise.floor)} {unit}", f"{number(promise.aim)} {unit}"]
        cells += [f"{number(line.value)} {unit}", verdict(line), behind(line)]
        cells.append(measured["date"][:10] + (" (quick)" if measured["quick"] else ""))
    return "| " + " | ".join(cells) + " |"


HEAD = """# What was measured

Written by `make bench`. The load generator runs beside the server on the same cores; every answered payment is durable,
and every answer was checked. A figure of several runs is the middle one.

| work | floor | aim | measured | verdict | behind it | date |
|---|---:|---:|---:|---|---|---|"""


def markdown(results: Path) -> str:
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))}
    out = [HEAD, *(row_of(promise, found.get(promise.row)) for promise in PROMISES), ""]
    for described in machines(list(found.values())):
        out += [described, ""]
    if "filled" in found:
        out += lists_table(found["filled"])
    return "\n".join(out)
