#!/usr/bin/env python3
"""Measures what the project promises and writes bench/results/: one JSON file a row, and the table README.md of all.

    scripts/bench                    every row, about a quarter of an hour
    scripts/bench --quick            every row, short: to see that it works, not to be quoted
    scripts/bench --only hot         one row; the others keep their last figures
    scripts/bench --full             with 10 million payments in place of one million

The server, the load generator and PostgreSQL run on this machine and share its cores. To add a row: a function that
takes a Plan and returns what it measured, and its line in ROWS.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lists
import machine
import table
from processes import BINARY, ROOT, Failed, folder, postgres, serving

RESULTS = ROOT / "bench" / "results"
FILLED, FILLED_FULL, FILLED_QUICK = 1_000_000, 10_000_000, 50_000
FILL_BULK, FILL_CONNECTIONS = "500", "16"  # together within what a writer lets wait
STARTS = 5
LIST_MS_MAX = 50.0
STEADY_RATE = 5000
PGBENCH_CLIENTS = (4, 8, 16, 32, 64)
PGBENCH_SCALE = 30


@dataclass
class Plan:
    """How long and how much; and where the data goes, which must be on the disk that is to be measured."""

    seconds: int
    steady_seconds: int
    repeat: int
    filled: int
    parent: Path

    def flags(self, *more: str) -> list[str]:
        return ["--seconds", str(self.seconds), *more]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fresh_run(plan: Plan, *flags: str) -> dict[str, Any]:
    """One run against a server that begins with nothing."""
    with folder(plan.parent) as work, serving(str(work / "data"), work) as server:
        return server.bench(*flags)


def rate(run: dict[str, Any]) -> float:
    return float(run["payments_per_second"])


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose throughput is the median (of an even number the lower one)."""
    return sorted(runs, key=rate)[(len(runs) - 1) // 2]


def errors(runs: list[dict[str, Any]]) -> int:
    return sum(int(run["errors"]) for run in runs)


def repeated(plan: Plan, *flags: str) -> dict[str, Any]:
    runs = [fresh_run(plan, *plan.flags(*flags)) for _ in range(plan.repeat)]
    return {"value": rate(middle(runs)), "errors": errors(runs), "middle": middle(runs), "runs": runs}


def uniform(plan: Plan) -> dict[str, Any]:
    return repeated(plan)


def hot(plan: Plan) -> dict[str, Any]:
    """Runs of both kinds take turns, so that a machine that is slower for a while slows both."""
    plain, skewed = [], []
    for _ in range(plan.repeat):
        plain.append(fresh_run(plan, *plan.flags()))
        skewed.append(fresh_run(plan, *plan.flags("--hot", "0.9")))
    ratio = rate(middle(skewed)) / rate(middle(plain))
    return {"value": ratio, "errors": errors(plain + skewed), "uniform": plain, "hot": skewed}


def bulk(plan: Plan) -> dict[str, Any]:
    return repeated(plan, "--bulk", "50")


def steady(plan: Plan) -> dict[str, Any]:
    seconds = str(plan.steady_seconds)
    run = fresh_run(plan, "--seconds", seconds, "--rate", str(STEADY_RATE))
    return {"value": run["p99_ms"], "errors": errors([run]), "run": run}


def on_postgres(plan: Plan) -> dict[str, Any]:
    """pgbench first, then the server, on one PostgreSQL with the same settings."""
    # Below the system's folder for temporary files that stay, because PostgreSQL's user must be able to reach it.
    with folder(Path("/var/tmp")) as work:
        work.chmod(0o755)
        with postgres(work / "postgres") as database:
            database.run("createdb", "-h", "127.0.0.1", "-p", str(database.port), "-U", "feiqian", "pgbench")
            database.pgbench("-i", "-q", "-s", str(PGBENCH_SCALE), "pgbench")
            database.checkpoint()
            found = {clients: pgbench_tps(database, clients, plan.seconds) for clients in PGBENCH_CLIENTS}
            best = max(found.values())
            say(f"  pgbench: {best:.0f} transactions/s at best")
            database.run("dropdb", "-h", "127.0.0.1", "-p", str(database.port), "-U", "feiqian", "pgbench")
            with serving(database.url("feiqian"), work) as server:
                runs = []
                for _ in range(plan.repeat):
                    database.checkpoint()
                    runs.append(server.bench(*plan.flags()))
    return {
        "value": rate(middle(runs)) / best,
        "errors": errors(runs),
        "pgbench_tps": best,
        "pgbench_by_clients": found,
        "pgbench_scale": PGBENCH_SCALE,
        "postgres_settings": database.SETTINGS,
        "payments_per_second": rate(middle(runs)),
        "runs": runs,
    }


def pgbench_tps(database: Any, clients: int, seconds: int) -> float:
    said = database.pgbench(
        "-M", "prepared", "-j", "2", "-c", str(clients), "-T", str(seconds), "-n", "pgbench"
    )
    match = re.search(r"tps = ([0-9.]+) \(without initial", said)
    if not match:
        raise Failed(f"pgbench said no figure: {said}")
    return float(match.group(1))


def bytes_of(data: Path) -> int:
    """What the files take on the disk, holes and all that is not yet checkpointed included."""
    return sum(path.stat().st_blocks * 512 for path in data.rglob("*") if path.is_file())


def filled(plan: Plan) -> dict[str, Any]:
    """One database, filled once; it answers four rows: throughput on it, its lists, its size, and how it starts."""
    empty = [fresh_run(plan, *plan.flags()) for _ in range(plan.repeat)]
    with folder(plan.parent) as work:
        data = work / "data"
        with serving(str(data), work) as server:
            say(f"  filling with {plan.filled:,} payments")
            fill = server.bench(
                "--payments",
                str(plan.filled),
                "--bulk",
                FILL_BULK,
                "--connections",
                FILL_CONNECTIONS,
                "--warmup",
                "0",
            )
            server.stop()  # a checkpoint of all that was written
            grown = bytes_of(data)
            starts = []
            for _ in range(STARTS):
                server.start()
                starts.append(server.start_ms)
                server.stop()
            server.start()
            found_lists = lists.measure(server.url, server.key)
            runs = [server.bench(*plan.flags()) for _ in range(plan.repeat)]
    answered = [row for row in found_lists if row["status"] == 200]
    return {
        "value": rate(middle(runs)) / rate(middle(empty)),
        "errors": errors([fill, *empty, *runs]),
        "filled_with": fill["payments"],
        "empty_payments_per_second": rate(middle(empty)),
        "payments_per_second": rate(middle(runs)),
        "slowest_list_ms": max((row["max_ms"] for row in answered), default=None),
        "lists": found_lists,
        "bytes_per_payment": grown / max(fill["payments"], 1),
        "start_ms": statistics.median(starts),
        "starts_ms": starts,
        "idle_rss_bytes": max(run["server_rss_idle_bytes"] or 0 for run in empty),
        "load_rss_bytes": max(run["server_rss_bytes"] or 0 for run in [*empty, *runs]),
        "fill": fill,
        "empty": empty,
        "runs": runs,
    }


# What is measured, in the order of the table. Several lines of the table may come from one measurement (see table.py).
ROWS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "uniform": uniform,
    "hot": hot,
    "bulk": bulk,
    "steady": steady,
    "postgres": on_postgres,
    "filled": filled,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}"
    )
    parser.add_argument("--seconds", type=int, default=10, help="of each run (10)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the middle one counts (3)")
    parser.add_argument(
        "--payments", type=int, default=FILLED, help=f"to fill the database with ({FILLED:,})"
    )
    parser.add_argument("--full", action="store_true", help=f"fill it with {FILLED_FULL:,}")
    parser.add_argument("--quick", action="store_true", help="short runs, once, little data; marked as such")
    parser.add_argument(
        "--data", type=Path, default=ROOT / "var" / "bench", help="where data is written (var/bench)"
    )
    parser.add_argument(
        "--table", action="store_true", help="measure nothing, write README.md from what is there"
    )
    return parser.parse_args()


def plan_of(asked: argparse.Namespace) -> Plan:
    parent = asked.data.resolve()
    if asked.quick:
        return Plan(2, 5, 1, FILLED_QUICK, parent)
    return Plan(
        asked.seconds, 3 * asked.seconds, asked.repeat, FILLED_FULL if asked.full else asked.payments, parent
    )


def main() -> int:
    asked = arguments()
    plan = plan_of(asked)
    RESULTS.mkdir(exist_ok=True)
    failed = 0
    for name in [] if asked.table else asked.only or ROWS:
        say(f"{name} …")
        with folder(plan.parent) as work:
            described = machine.describe(work, BINARY)
        try:
            measured = ROWS[name](plan)
        except Failed as reason:
            say(f"  {reason}")
            failed = 1
            continue
        measured["date"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        measured["quick"] = asked.quick
        measured["machine"] = described
        (RESULTS / f"{name}.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
        for line in table.lines_of(name, measured):
            say("  " + table.in_words(line))
    (RESULTS / "README.md").write_text(table.markdown(RESULTS), "utf-8")
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
