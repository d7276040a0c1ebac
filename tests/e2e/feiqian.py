"""Starts, asks and stops the binary under test, in one process or split, on SQLite or PostgreSQL."""

from __future__ import annotations

import base64
import datetime
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import names
from client import Anonymous, Bearer, Client, Credentials, Signed
from postgres import Postgres, free_port
from signing import SigningKey

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("FEIQIAN_BINARY", ROOT / "build" / "feiqian")).resolve()
VECTORS = ROOT / "tests" / "vectors" / "security"
START_S = 30.0
STOP_S = 15.0  # the server gives itself 10 to drain
COMMAND_S = 60.0
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "FQ_ASSERT")


def vectors(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of Feiqian that a developer may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FEIQIAN_")}


def command(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    given: bytes | str = b"",
    timeout: float = COMMAND_S,
) -> subprocess.CompletedProcess[str]:
    """Runs `feiqian ARGUMENTS` to its end."""
    assert BINARY.exists(), f"{BINARY} is missing: build it, or set FEIQIAN_BINARY"
    data = given.encode("utf-8") if isinstance(given, str) else given
    done = subprocess.run(
        [str(BINARY), *map(str, arguments)],
        env={**clean_environment(), **(environment or {})},
        input=data,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    stdout, stderr = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    assert done.returncode >= 0, f"died of signal {-done.returncode}\n{stderr}"
    assert not any(mark in stderr for mark in SANITIZER_MARKS), stderr
    return subprocess.CompletedProcess(done.args, done.returncode, stdout, stderr)


class Server:
    """One `feiqian serve`."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        assert BINARY.exists(), f"{BINARY} is missing: build it, or set FEIQIAN_BINARY"
        self.log = log
        self.url = ""
        self._said: list[str] = []
        self._ready = threading.Event()
        with log.open("ab") as sink:
            self._log_start = sink.tell()
            self.process = subprocess.Popen(
                [str(BINARY), "serve", *arguments],
                env={**clean_environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line.rstrip("\n"))
            if line.startswith("ready ") and not self.url:
                self.url = line.split()[1]
                self._ready.set()
        self._ready.set()  # end of output: whoever waits shall see that it died

    @property
    def said(self) -> list[str]:
        """The lines of standard output so far."""
        return list(self._said)

    def output(self) -> str:
        """What this run logged, on standard error."""
        with self.log.open("rb") as source:
            source.seek(self._log_start)
            return source.read().decode("utf-8", "replace")

    def wait_ready(self, within: float = START_S) -> None:
        self._ready.wait(within)
        if not self.url:
            code = self.process.poll()
            self.kill()
            raise AssertionError(f"not ready (exit {code}); log:\n{self.output()[-4000:]}")

    def wait(self, within: float = STOP_S) -> int:
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {within} s:\n{self.output()[-4000:]}") from None
        self._reader.join(5)
        return code

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM, drained, exit 0, and nothing that a sanitizer complains of."""
        self.terminate()
        self.end()

    def end(self) -> None:
        """After one SIGTERM; a second one would end it at once."""
        code = self.wait()
        output = self.output()
        assert code == 0, f"exit {code} on SIGTERM:\n{output[-4000:]}"
        for mark in SANITIZER_MARKS:
            assert mark not in output, output[output.index(mark) - 200 :][:6000]

    def kill(self) -> None:
        """SIGKILL, and the end awaited."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reader.join(5)


@dataclass(frozen=True)
class Kind:
    shape: str  # one | split
    store: str  # sqlite | postgres

    def __str__(self) -> str:
        return f"{self.shape}-{self.store}"


class Deployment:
    """A whole Feiqian with its data: one process, or three that call each other."""

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        postgres: Postgres | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        mode: str | None = None,
        data: str | None = None,
        own_master_key: bool = False,
    ) -> None:
        """`own_master_key`: hand over a master key even where the server would make its own."""
        self.kind = kind
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.servers: dict[str, Server] = {}
        # The tests sign wrongly on purpose, all from one address.
        self.environment = {
            names.FAILURES: "0",
            names.CHECKOUT_URL: "https://pay.example",
            **(environment or {}),
        }
        self.arguments = list(arguments)
        self.mode = mode
        if data is not None:
            self._data = data
        elif kind.store == "postgres":
            assert postgres is not None
            self._data = postgres.new_url()
        else:
            self._data = str(folder / "data")
        if own_master_key or kind.shape == "split" or kind.store == "postgres" or mode == "live":
            self.environment.setdefault(names.MASTER_KEY_FILE, str(self._secret("master.key")))
        if kind.shape == "split":
            self.environment.setdefault(names.SERVICE_KEY_FILE, str(self._secret("service.key")))

    def _secret(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        return path

    def data(self, service: str = "payment") -> str:
        """WHERE: one process opens a data folder, so on SQLite each split service has its own."""
        if self.kind.shape == "split" and self.kind.store == "sqlite":
            return str(Path(self._data) / service)
        return self._data

    def start(self) -> None:
        for attempt in range(3):
            try:
                self._start()
                return
            except AssertionError:
                self.kill()
                # A port that was free may be taken by another test run just then; nothing else may fail.
                if self.kind.shape == "one" or attempt == 2:
                    raise

    def _start(self) -> None:
        if self.kind.store == "sqlite":
            for service in names.SERVICES:
                Path(self.data(service)).parent.mkdir(parents=True, exist_ok=True)
        flags = [*self.arguments]
        if self.mode is not None:
            flags += ["--mode", self.mode]
        if self.kind.shape == "one":
            where = ["--data", self._data, "--listen", "127.0.0.1:0"]
            log = self.folder / "serve.log"
            self.servers = {"all": Server([*where, *flags], self.environment, log)}
        else:
            ports = {service: free_port() for service in names.SERVICES}
            urls = {
                names.SERVICE_URLS[service]: f"http://127.0.0.1:{port}" for service, port in ports.items()
            }
            for service, port in ports.items():
                self.servers[service] = self._serve(service, f"127.0.0.1:{port}", urls, flags)
        for server in self.servers.values():
            server.wait_ready()

    def _serve(self, service: str, listen: str, urls: Mapping[str, str], flags: list[str]) -> Server:
        own = names.SERVICE_URLS[service]
        others = {name: url for name, url in urls.items() if name != own}
        return Server(
            ["--services", service, "--data", self.data(service), "--listen", listen, *flags],
            {**self.environment, **others},
            self.folder / f"{service}.log",
        )

    def beside(self, service: str) -> Server:
        """One more process of a split service, on the same database: it ends with the others."""
        urls = {names.SERVICE_URLS[name]: self.servers[name].url for name in names.SERVICES}
        server = self._serve(service, "127.0.0.1:0", urls, self.arguments)
        self.servers[f"{service} {len(self.servers)}"] = server
        server.wait_ready()
        return server

    def stop(self) -> None:
        """Every process by SIGTERM; each must end with 0."""
        servers, self.servers = self.servers, {}
        for server in servers.values():
            server.terminate()
        try:
            for server in servers.values():
                server.end()
        finally:
            for server in servers.values():
                server.kill()

    def kill(self) -> None:
        servers, self.servers = self.servers, {}
        for server in servers.values():
            if server.process.poll() is None:
                server.process.kill()
        for server in servers.values():
            server.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def server_of(self, path: str) -> Server:
        if self.kind.shape == "one":
            return self.servers["all"]
        return self.servers[names.service_of(path)]

    def url_for(self, path: str) -> str:
        return self.server_of(path).url

    def logs(self) -> str:
        return "".join(server.output() for server in self.servers.values())

    def cli(
        self, *arguments: str | Path, service: str = "user", where: str | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """`feiqian ARGUMENTS --data WHERE` with this deployment's settings."""
        at = where if where is not None else self.data(service)
        return command(*arguments, "--data", at, environment=self.environment, **options)

    def make_key(
        self,
        scope: str,
        algorithm: str,
        key: SigningKey | None = None,
        replaces: str | None = None,
    ) -> dict[str, Any]:
        """`feiqian keys create`: what it prints."""
        arguments: list[str | Path] = ["keys", "create", "--scope", scope]
        arguments += ["--algorithm", algorithm, "--output", "json"]
        if key is not None:
            public = self.folder / f"public-{secrets.token_hex(8)}.pem"
            public.write_bytes(key.public_pem())
            arguments += ["--public-key", public]
        if replaces is not None:
            arguments += ["--replaces", replaces]
        done = self.cli(*arguments)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
        made: dict[str, Any] = json.loads(done.stdout)
        assert made["scope"] == scope and made["algorithm"] == algorithm, made
        assert made["id"].startswith("key_"), made
        return made

    def credentials(
        self, scope: str, algorithm: str = "hmac-sha256", replaces: str | None = None
    ) -> tuple[str, Credentials]:
        """A new key: its id, and how to call with it."""
        if algorithm == "bearer":
            made = self.make_key(scope, algorithm, replaces=replaces)
            assert made["secret"].startswith("fq_test_"), made
            return made["id"], Bearer(made["secret"])
        if algorithm == "hmac-sha256":
            made = self.make_key(scope, algorithm, replaces=replaces)
            key = SigningKey(algorithm, base64.b64decode(made["secret"], validate=True))
        else:
            key = SigningKey.generate(algorithm)
            made = self.make_key(scope, algorithm, key, replaces=replaces)
        return made["id"], Signed(made["id"], key)

    def client(self, scope: str = "admin", algorithm: str = "hmac-sha256") -> Client:
        key_id, credentials = self.credentials(scope, algorithm)
        return Client(self.url_for, credentials, key_id=key_id)

    def advance_clock(self, seconds: int) -> None:
        """Moves the business clock of every process."""
        _, credentials = self.credentials("admin")
        for server in self.servers.values():
            url = server.url
            client = Client(lambda path: url, credentials)  # noqa: B023
            answer = client.post(names.CLOCK, {"advance_s": seconds})
            assert answer.status == 200, answer

    def anonymous(self) -> Client:
        return Client(self.url_for, Anonymous())

    def verify_ledger(self) -> subprocess.CompletedProcess[str]:
        return self.cli("ledger", "verify", service="payment")

    def check_ledger(self) -> None:
        done = self.verify_ledger()
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}{done.stderr}"


def wait_until_after(created_at: str) -> None:
    """Lets the clock pass a moment that the server named, to the millisecond."""
    moment = datetime.datetime.fromisoformat(created_at.replace("Z", "+00:00")).timestamp()
    deadline = time.monotonic() + 5
    while time.time() < moment + 0.003:
        assert time.monotonic() < deadline, f"the server's clock is ahead: {created_at}"
        time.sleep(0.001)
