"""What watches a running server: the service manager, /readyz, the metrics, the log."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import names
from client import Anonymous, Bearer, Client, eventually, expect, host_port, refused
from conftest import Deploy
from feiqian import Deployment, Kind, Server
from postgres import Postgres, free_port
from world import World


def nobody(url: str) -> Client:
    return Client(lambda path: url, Anonymous())


def text(url: str, path: str = "/metrics") -> str:
    answer = nobody(url).get(path)
    assert answer.status == 200, answer
    return answer.body.decode()


def secret_file(folder: Path, name: str) -> str:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=\n")
    return str(path)


# The service manager, reloading, liveness.


class Manager:
    """What systemd hears: the datagrams of $NOTIFY_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def hear(self, within: float = 10) -> str:
        self.socket.settimeout(within)
        return self.socket.recv(4096).decode()

    def forget(self) -> None:
        """What was said until now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass

    def hear_until(self, wanted: str, within: float = 20) -> list[str]:
        heard = [self.hear(within)]
        while heard[-1] != wanted:
            heard.append(self.hear(within))
        return heard


def start(folder: Path, environment: dict[str, str], *arguments: str) -> Server:
    server = Server(
        ["--data", str(folder / "data"), "--listen", "127.0.0.1:0", *arguments], environment, folder / "log"
    )
    server.wait_ready()
    return server


def logged(server: Server, message: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in server.output().splitlines()]
    return [record for record in records if record["msg"] == message]


def test_the_service_manager_is_told(binary: Path, tmp_path: Path) -> None:
    manager = Manager(tmp_path)
    server = start(tmp_path, {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"})
    try:
        assert manager.hear() == "READY=1"
        assert [manager.hear(), manager.hear()] == ["WATCHDOG=1"] * 2
        server.process.send_signal(signal.SIGHUP)
        heard = manager.hear_until("READY=1")
        reloading = [state for state in heard if state.startswith("RELOADING=1\nMONOTONIC_USEC=")]
        assert len(reloading) == 1, heard
        server.terminate()
        manager.hear_until("STOPPING=1")
        assert server.wait() == 0
    finally:
        server.kill()


def test_a_lost_store_is_no_reason_to_be_killed(kind: Kind, binary: Path, tmp_path: Path) -> None:
    """The watchdog is about this process; that the database is away is /readyz's affair."""
    if kind.store != "postgres":
        pytest.skip("a file is not lost")
    manager = Manager(tmp_path)
    away = Postgres()
    environment = {
        "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000",
        names.MASTER_KEY_FILE: secret_file(tmp_path, "master.key"),
    }  # fmt: skip
    try:
        away.start()
        server = Server(["--data", away.new_url(), "--listen", "127.0.0.1:0"], environment, tmp_path / "log")
        try:
            server.wait_ready()
            away.stop("immediate")
            answer = eventually(
                lambda: nobody(server.url).get("/readyz"), lambda answer: answer.status == 503
            )
            problem = refused(answer, "unavailable")
            assert problem["reason"] == "store_lost" and problem["service"] in names.SERVICES
            assert nobody(server.url).get("/healthz").status == 200
            eventually(lambda: re.search(r"^feiqian_store_up.* 0$", text(server.url), re.MULTILINE))
            manager.forget()
            assert [manager.hear(5), manager.hear(5)] == ["WATCHDOG=1"] * 2
        finally:
            server.kill()
    finally:
        away.remove()


def test_a_draining_server_says_so(binary: Path, tmp_path: Path) -> None:
    server = start(tmp_path, {"FEIQIAN_SERVER_DRAIN_DELAY": "3s"})
    try:
        assert nobody(server.url).get("/readyz").status == 200
        server.terminate()
        answer = eventually(
            lambda: nobody(server.url).get("/readyz"), lambda answer: answer.status == 503, within=2.5
        )
        assert refused(answer, "unavailable")["reason"] == "draining"
        assert nobody(server.url).get("/healthz").status == 200
        assert server.wait() == 0
    finally:
        server.kill()


def test_a_service_is_not_ready_before_it_has_caught_up(binary: Path, tmp_path: Path) -> None:
    port = free_port()
    dead = f"http://127.0.0.1:{free_port()}"
    environment = {
        names.SERVICE_URLS["user"]: dead, names.SERVICE_URLS["payment"]: dead,
        names.SERVICE_KEY_FILE: secret_file(tmp_path, "service.key"),
        names.MASTER_KEY_FILE: secret_file(tmp_path, "master.key"),
    }  # fmt: skip
    arguments = ["--services", "order", "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}"]
    server = Server(arguments, environment, tmp_path / "log")

    def ask() -> Any:
        try:
            return nobody(f"http://127.0.0.1:{port}").get("/readyz")
        except OSError:
            return None

    try:
        problem = refused(eventually(ask, lambda answer: answer is not None), "unavailable")
        assert problem["reason"] == "catching_up" and problem["service"] == "order"
        assert not server.url, "it does not call itself ready either"
    finally:
        server.kill()


def test_reload_takes_over_what_it_can(binary: Path, tmp_path: Path) -> None:
    file = tmp_path / "feiqian.ini"
    file.write_text("[log]\nlevel = info\n[server]\nhead_timeout = 10s\n[store]\nreader_threads = 2\n")
    server = start(tmp_path, {}, "--config", str(file))
    try:
        nobody(server.url).get("/healthz")
        assert not logged(server, "request")
        file.write_text("[log]\nlevel = debug\n[server]\nhead_timeout = 200ms\n[store]\nreader_threads = 3\n")
        server.process.send_signal(signal.SIGHUP)
        changes = eventually(
            lambda: {record["name"]: record["level"] for record in logged(server, "a setting has changed")},
            lambda changes: len(changes) == 3,
        )
        assert changes == {"level": "info", "head_timeout": "info", "reader_threads": "warn"}
        nobody(server.url).get("/healthz")
        eventually(lambda: logged(server, "request"))
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=9) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        file.write_text("[log]\nlevel = loud\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: logged(server, "the configuration could not be read again; the old one stays"))
        assert nobody(server.url).get("/healthz").status == 200
        server.stop()
    finally:
        server.kill()


def test_start_and_end_are_logged(binary: Path, tmp_path: Path) -> None:
    server = start(tmp_path, {})
    try:
        server.stop()
        (started,) = logged(server, "started")
        assert started["mode"] == "sandbox" and started["services"] == "user,order,payment"
        assert started["listen"] == server.url and started["version"]
        assert logged(server, "stopping") and logged(server, "stopped")
    finally:
        server.kill()


def test_open_files_are_raised_to_what_is_allowed(binary: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = start(tmp_path, {})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        found = re.search(r"^process_max_fds (\S+)$", text(server.url), re.MULTILINE)
        assert found and float(found[1]) == hard
        server.stop()
    finally:
        server.kill()


# What is counted, and what is never logged.


def test_metrics_pass_promtool(fq: World) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    fq.sale()
    for server in fq.deployment.servers.values():
        done = subprocess.run(
            [promtool, "check", "metrics"],
            input=text(server.url),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def all_metrics(own: Deployment) -> str:
    return "\n".join(text(server.url) for server in own.servers.values())


def test_what_happens_is_counted(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    sale = fq.sale()
    fq.refund(sale.payment)
    refused(fq.try_pay(sale.order, sale.payer), "order_already_paid")

    def seen(sample: str) -> float:
        found = re.findall(rf"^{re.escape(sample)} ([0-9.e+-]+)$", all_metrics(own), re.MULTILINE)
        return sum(float(value) for value in found)

    for sample, at_least in {
        'feiqian_payments_total{method="balance",status="succeeded",currency="CNY"}': 1,
        'feiqian_refunds_total{status="succeeded",currency="CNY"}': 1,
        'feiqian_topups_total{method="sandbox",status="succeeded",currency="CNY"}': 1,
        'feiqian_orders_total{status="pending",currency="CNY"}': 1,
        'feiqian_users_total{status="active"}': 2,
        'feiqian_ledger_transfers_total{kind="payment",currency="CNY"}': 1,
        'feiqian_ledger_moved_minor_units_total{kind="refund",currency="CNY"}': 1,
        'feiqian_signature_checks_total{algorithm="hmac-sha256",outcome="ok"}': 5,
        'feiqian_writer_commands_total{service="payment",outcome="done"}': 3,
        'feiqian_store_up{service="payment"}': 1,
        'feiqian_payment_duration_seconds_count{method="balance"}': 1,
        'feiqian_payments_refused_total{code="order_already_paid"}': 1,
        'feiqian_writer_commands_total{service="payment",outcome="refused"}': 1,
        'feiqian_writer_batch_size_count{service="payment"}': 3,
        'feiqian_writer_step_duration_seconds_count{service="payment",step="load"}': 3,
        'feiqian_writer_step_duration_seconds_count{service="payment",step="save"}': 3,
        'feiqian_writer_step_duration_seconds_count{service="payment",step="commit"}': 3,
    }.items():
        assert seen(sample) >= at_least, sample
    # The order hears of both through events.
    for status in ("paid", "refunded"):
        sample = f'feiqian_orders_total{{status="{status}",currency="CNY"}}'
        eventually(lambda sample=sample: seen(sample), lambda value: value >= 1)  # type: ignore[misc]
    eventually(lambda: seen('feiqian_outbox_lag_seconds{service="order"}'), lambda value: value == 0)
    if own.kind.shape == "split":
        assert 'http_client_request_duration_seconds_count{http_request_method="POST"' in all_metrics(own)
    own.stop()


def test_the_ledger_is_added_up(deploy: Deploy) -> None:
    own = deploy()
    World(own).sale()
    own.restart()  # it looks when it starts, and every minute

    def imbalance() -> list[str]:
        return re.findall(
            r'^feiqian_ledger_imbalance\{currency="CNY"\} (\S+)$', all_metrics(own), re.MULTILINE
        )

    assert eventually(imbalance) == ["0"]
    if own.kind.store == "sqlite" and own.kind.shape == "one":
        own.stop()
        with closing(sqlite3.connect(Path(own.data()) / "payment.db")) as database:
            database.execute(
                "UPDATE account SET balance_minor = balance_minor + 7 WHERE kind = 1 AND balance_minor > 0"
            )
            database.commit()
        own.start()
        assert eventually(imbalance) == ["7"]
        assert "do not add up to zero" in own.logs()
    own.stop()


def test_nothing_secret_or_personal_is_logged(deploy: Deploy) -> None:
    own = deploy(environment={"FEIQIAN_LOG_LEVEL": "debug"})
    made = own.make_key("admin", "bearer")
    fq = World(own)
    personal = {
        "email": "mei.lin.secret@example.com", "phone": "+8613812345678",
        "name": "梅琳 Undisclosed", "password": "correct horse battery staple 42",
    }  # fmt: skip
    expect(fq.admin.post("/v1/users", {"roles": ["payer"], **personal}), 201)
    bearer = Client(own.url_for, Bearer(made["secret"]))
    expect(bearer.get("/v1/users"))
    fq.sale()
    wrong = {"roles": ["payer"], "name": "n", "email": "not an address " + personal["email"]}
    refused(fq.admin.post("/v1/users", wrong), "invalid_field", "email")
    own.stop()
    logs = "\n".join(log.read_text("utf-8") for log in own.folder.glob("*.log"))
    assert '"msg":"request"' in logs, "at debug each request is logged"
    secrets = [made["secret"], *personal.values(), personal["email"].split("@")[0], "Signature-Input"]
    if names.MASTER_KEY_FILE in own.environment:
        secrets.append(Path(own.environment[names.MASTER_KEY_FILE]).read_text().strip())
    if names.SERVICE_KEY_FILE in own.environment:
        secrets.append(Path(own.environment[names.SERVICE_KEY_FILE]).read_text().strip())
    for secret in secrets:
        assert secret not in logs, secret


def test_a_trace_goes_through_the_services(deploy: Deploy) -> None:
    own = deploy(environment={"FEIQIAN_LOG_LEVEL": "debug"})
    if own.kind.shape != "split":
        pytest.skip("one process makes no calls")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = [("Request-Id", "follow-me"), ("traceparent", f"00-{trace}-b7ad6b7169203331-01")]
    admin = own.client("admin")  # a key that no service but the user service has heard of
    answer = admin.request("GET", "/v1/payments", headers=headers)
    assert answer.status == 200, answer
    records = [
        json.loads(line) for log in own.folder.glob("*.log") for line in log.read_text("utf-8").splitlines()
    ]
    routes = {record["route"] for record in records if record.get("trace_id") == trace and "route" in record}
    assert "/v1/payments" in routes and any(route.startswith("/internal/user/") for route in routes), routes
    assert all(record["request_id"] == "follow-me" for record in records if record.get("trace_id") == trace)
    # What the fact stage asks on a thread of its own belongs to the payment all the same.
    fq = World(own)
    body = fq.payment_body(fq.order(fq.merchant(), 100), fq.payer(100))
    expect(own.client("admin").request("POST", "/v1/payments", body, headers=headers), 201)
    asked = [
        json.loads(line)
        for log in own.folder.glob("*.log")
        for line in log.read_text("utf-8").splitlines()
        if "/internal/order/facts" in line
    ]
    assert asked and all(record["trace_id"] == trace for record in asked)
    own.stop()


def test_each_thread_listens_for_itself(deploy: Deploy) -> None:
    """SO_REUSEPORT: as many sockets listen at the port as there are threads."""
    own = deploy(environment={"FEIQIAN_SERVER_THREADS": "3"})
    for server in own.servers.values():
        port = f"{host_port(server.url)[1]:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        listening = [line for line in lines if line[1].endswith(f":{port}") and line[3] == "0A"]
        assert len(listening) == 3, listening
    own.stop()
