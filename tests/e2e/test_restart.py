"""Stopping and starting: everything stays, nothing that was accepted is dropped, nothing new is taken."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
import time
import uuid

import pytest

from client import Answer, Client, expect, host_port, refused
from conftest import Deploy
from feiqian import Deployment
from world import World


def test_everything_stays(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    sale = fq.sale(1000)
    refund = fq.refund(sale.payment, 300)
    held = fq.authorized(50)
    frozen = fq.user(email="x@example.com", password="correct horse battery")
    fq.act(frozen, "freeze")
    body, key = fq.payment_body(fq.order(sale.payee, 700), sale.payer), uuid.uuid4().hex
    fq.topup(sale.payer, 1000)
    payment = expect(fq.admin.post("/v1/payments", body, key=key), 201)
    resources = [fq.get(one) for one in (sale.order, sale.payment, refund, held.payment, frozen)]
    balances = fq.balances(sale.payer)
    events = expect(fq.admin.get("/v1/events", limit=100))["data"]

    own.restart()

    assert [fq.get(one) for one in resources] == resources
    assert fq.balances(sale.payer) == balances
    # The order's own event of the last payment may have come after the list was read.
    later = {one["id"]: one for one in expect(fq.admin.get("/v1/events", limit=100))["data"]}
    assert [later.get(one["id"]) for one in events] == events
    again = fq.admin.post("/v1/payments", body, key=key)
    assert again.replayed and again.json() == payment
    refused(fq.try_pay(sale.order, sale.payer), "order_already_paid")
    refused(fq.try_pay(fq.order(sale.payee, 1), frozen), "user_frozen")
    assert fq.act(held.payment, "capture")["status"] == "succeeded"
    newer = fq.order(sale.payee)
    assert newer["id"] > sale.order["id"] and newer["created_at"] >= sale.order["created_at"]
    own.check_ledger()
    own.stop()


def test_the_ready_line_is_all_that_is_printed(deploy: Deploy) -> None:
    own = deploy()
    for server in own.servers.values():
        assert server.said == [f"ready {server.url}"]
        assert server.url.startswith("http://127.0.0.1:")
    own.stop()


class Load:
    """Clients that pay order after order until told to stop, and note what they were told."""

    def __init__(self, fq: World, clients: int, orders: int) -> None:
        self.fq = fq
        self.payee = fq.merchant()
        self.payers = [fq.payer(1_000_000) for _ in range(clients)]
        self.orders = [
            order for _ in range(-(-clients * orders // 1000))
            for order in fq.orders(self.payee, min(1000, clients * orders), 1)
        ]  # fmt: skip
        self.share = len(self.orders) // clients
        self.acknowledged: dict[str, str] = {}  # idempotency key -> payment id
        self.asked: dict[str, dict[str, object]] = {}  # idempotency key -> body
        self.others: list[Answer] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _run(self, n: int) -> None:
        admin = self.fq.admin
        for order in self.orders[n * self.share : (n + 1) * self.share]:
            if self._stop.is_set():
                return
            key = uuid.uuid4().hex
            body = self.fq.payment_body(order, self.payers[n])
            self.asked[key] = body
            try:
                answer = admin.post("/v1/payments", body, key=key, retry=False)
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                self.acknowledged[key] = answer.json()["id"]
            else:
                self.others.append(answer)

    def wait_until(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < count:
            assert time.monotonic() < deadline and any(t.is_alive() for t in self._threads)
            time.sleep(0.005)

    def check(self) -> None:
        """Every acknowledged payment is there, once; the rest can be asked again and is done once."""
        for key, payment_id in self.acknowledged.items():
            again = self.fq.admin.post("/v1/payments", self.asked[key], key=key)
            assert again.replayed and expect(again, 201)["id"] == payment_id
            assert again.json()["status"] == "succeeded"
        for key in self.asked.keys() - self.acknowledged.keys():
            expect(self.fq.admin.post("/v1/payments", self.asked[key], key=key), 201)
        spent = sum(1_000_000 - self.fq.balance(payer)[0] for payer in self.payers)
        assert spent == len(self.asked) and self.fq.balance(self.payee) == (spent, 0, 0)
        self.fq.deployment.check_ledger()


def test_sigterm_under_load_drops_nothing_acknowledged(deploy: Deploy) -> None:
    own = deploy()
    load = Load(World(own), clients=8, orders=250)
    load.start()
    load.wait_until(100)
    start = time.monotonic()
    own.stop()  # exit 0, or it fails here
    assert time.monotonic() - start < 12
    load.finish()
    for answer in load.others:
        refused(answer, "unavailable")
    own.start()
    load.check()
    own.stop()


def half_a_request(own: Deployment) -> socket.socket:
    """A connection whose request is under way: the server may finish it for 10 s."""
    connection = socket.create_connection(host_port(own.url_for("/v1/payments")), timeout=20)
    connection.sendall(b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    return connection


def test_a_second_sigterm_ends_at_once(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    sale = fq.sale()
    server = own.server_of("/v1/payments")
    with half_a_request(own):
        server.terminate()
        with pytest.raises(subprocess.TimeoutExpired):  # still draining
            server.process.wait(0.5)
        start = time.monotonic()
        server.terminate()
        server.wait(5)
        assert time.monotonic() - start < 2
    own.kill()
    own.start()
    assert fq.get(sale.payment)["status"] == "succeeded"
    own.check_ledger()


def test_draining_is_bounded(deploy: Deploy) -> None:
    own = deploy()
    with half_a_request(own):
        start = time.monotonic()
        own.stop()
        assert time.monotonic() - start < 12


def test_an_idle_connection_does_not_hold_up_the_end(deploy: Deploy) -> None:
    own = deploy()
    with socket.create_connection(host_port(own.url_for("/healthz")), timeout=5):
        start = time.monotonic()
        own.stop()
        assert time.monotonic() - start < 3


def test_sigint_is_sigterm(deploy: Deploy) -> None:
    own = deploy()
    for server in own.servers.values():
        server.process.send_signal(signal.SIGINT)
    for server in own.servers.values():
        assert server.wait() == 0


def test_a_kept_connection_is_told_to_close(deploy: Deploy) -> None:
    """After the stop nothing listens: a new connection is refused."""
    own = deploy()
    url = own.url_for("/healthz")
    client = Client(own.url_for, own.anonymous().credentials)
    assert client.get("/healthz").status == 200
    own.stop()
    with pytest.raises(ConnectionError):
        socket.create_connection(host_port(url), timeout=5)
