"""What a measurement needs running: the server under test, PostgreSQL, the load generator. Each is a context that ends
what it began."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("FEIQIAN_BINARY", ROOT / "build" / "feiqian"))
STOP_S = 30


class Failed(Exception):
    """A program did not do what the measurement needs; the text says which and why."""


def environment() -> dict[str, str]:
    """This process's, without settings of Feiqian that somebody may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FEIQIAN_")}


class Server:
    """A `feiqian serve` with an admin key."""

    def __init__(self, data: str, key: Path, log: Path) -> None:
        self.data, self.key, self.log = data, key, log
        self.url = ""
        self.start_ms = 0.0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it, waits for its `ready` line, and keeps how long that took."""
        with self.log.open("ab") as sink:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0"],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.start_ms = (time.monotonic() - began) * 1000
                self.url = line.split()[1]
                return
        self.stop()
        raise Failed(f"the server did not start:\n{self.log_tail()}")

    def log_tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-2000:]

    def make_key(self) -> None:
        done = subprocess.run(
            [BINARY, "keys", "create", "--data", self.data, "--scope", "admin"]
            + ["--algorithm", "hmac-sha256", "--output", "json"],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"keys create: {done.stderr}")
        self.key.touch(mode=0o600)
        self.key.write_text(done.stdout, "utf-8")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def bench(self, *flags: str) -> dict[str, Any]:
        """One run of the load generator. A wrong answer is told in the result's `errors`; all else raises Failed."""
        done = subprocess.run(
            [BINARY, "bench", "--url", self.url, "--key", self.key, "--output", "json", *flags],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise Failed(f"feiqian bench {' '.join(flags)} ended with {done.returncode}:\n{self.log_tail()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@contextmanager
def folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="feiqian-bench-", dir=parent) as path:
        yield Path(path)


@contextmanager
def serving(data: str, work: Path) -> Iterator[Server]:
    """A server on `data` (a folder or a PostgreSQL URL) with its key and log in `work`."""
    server = Server(data, work / "admin.json", work / "server.log")
    try:
        server.start()
        if not server.key.exists():
            server.make_key()
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Postgres:
    """A PostgreSQL of its own that waits for the disk at each commit, as delivered but for memory and WAL size.

    Files of the WAL that were written once are kept for the next round, as in a server that has run for a while:
    making new ones stops everybody for tens of milliseconds.
    """

    SETTINGS = {
        "listen_addresses": "127.0.0.1",
        "max_connections": "200",
        "shared_buffers": "1GB",
        "max_wal_size": "8GB",
        "min_wal_size": "4GB",
        "fsync": "on",
        "synchronous_commit": "on",
    }

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not programs:
            raise Failed("PostgreSQL is not installed; run scripts/install bench")
        self.programs = programs[-1]
        # The server refuses to run as root, so there it runs as Debian's own user.
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []

    def url(self, database: str) -> str:
        return f"postgresql://feiqian@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [*self.as_user, self.programs / program, *arguments],
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"{program}: {done.stdout[-2000:]}")
        return done.stdout

    def start(self) -> None:
        if self.as_user:
            shutil.chown(self.home, "postgres")
        data = str(self.home / "data")
        self.run("initdb", "-D", data, "-U", "feiqian", "-A", "trust", "-E", "UTF8", "--locale=C")
        settings = [f"-c {name}={value}" for name, value in self.SETTINGS.items()]
        options = " ".join([f"-p {self.port}", f"-k {self.home}", *settings])
        # pg_ctl's child keeps standard output open; run() would wait for it without a log file.
        self.run("pg_ctl", "-D", data, "-l", str(self.home / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.home / "data"), "-m", "fast", "-w", "stop")

    def checkpoint(self) -> None:
        self.run(
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "feiqian",
            "-d",
            "postgres",
            "-c",
            "CHECKPOINT",
        )

    def pgbench(self, *arguments: str) -> str:
        return self.run("pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "feiqian", *arguments)


@contextmanager
def postgres(home: Path) -> Iterator[Postgres]:
    home.mkdir()
    server = Postgres(home, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
