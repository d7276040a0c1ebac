"""A throw-away PostgreSQL for one test session: loopback only, a free port, a temporary folder.

fsync stays on: the server refuses a database that does not keep what it was told.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "autovacuum": "on",
    "log_min_messages": "warning",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    def __init__(self, **settings: str) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        assert found, "PostgreSQL is not installed (scripts/install test)"
        self._programs = found[-1]
        self._folder = Path(tempfile.mkdtemp(prefix="feiqian-postgres-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.port = free_port()
        self._settings = {**SETTINGS, **settings}
        self._made = 0

    def start(self) -> None:
        data = self._folder / "data"
        if not data.exists():
            self._run(
                "initdb", "-D", str(data), "-U", "feiqian", "-A", "trust", "-E", "UTF8",
                "--locale=C", "--no-sync",
            )  # fmt: skip
        options = [f"-p {self.port}", f"-k {self._folder}"]
        options += [f"-c {name}={value}" for name, value in self._settings.items()]
        self._control("start", "-l", str(self._folder / "log"), "-o", " ".join(options))

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-m", mode)

    def remove(self) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, prefix: str) -> str:
        return f"postgresql://feiqian@127.0.0.1:{self.port}/{prefix}"

    def new_url(self) -> str:
        """A prefix that nobody has used in this cluster."""
        self._made += 1
        return self.url(f"feiqian{self._made}")

    def sql(self, database: str, statement: str) -> list[list[str]]:
        """Rows of a statement, as text."""
        done = self._run(
            "psql", "-X", "-q", "-At", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
            "-h", "127.0.0.1", "-p", str(self.port), "-U", "feiqian", "-d", database,
            "-c", statement,
        )  # fmt: skip
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def restore(self, dump: Path, database: str) -> None:
        """A new database from what pg_dump wrote in its custom format."""
        self.sql("postgres", f'CREATE DATABASE "{database}"')
        readable = self._folder / f"{database}.dump"
        shutil.copyfile(dump, readable)
        readable.chmod(0o644)
        self._run(
            "pg_restore", "--exit-on-error", "-h", "127.0.0.1", "-p", str(self.port), "-U", "feiqian",
            "-d", database, str(readable),
        )  # fmt: skip

    def _control(self, verb: str, *arguments: str) -> None:
        # The daemon must not inherit our pipes, or we would wait for it to end.
        with open(os.devnull, "w+b") as nothing:
            done = subprocess.run(
                [*self._as_user, str(self._programs / "pg_ctl"), "-D", str(self._folder / "data")]
                + ["-w", "-t", "60", verb, *arguments],
                cwd="/",
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                timeout=90,
                check=False,
            )
        log = self._folder / "log"
        shown = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        assert done.returncode == 0, f"pg_ctl {verb}: {done.returncode}\n{shown}"

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._as_user, str(self._programs / program), *arguments],
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done
