"""SIGKILL at random moments under load: what was acknowledged is there, once, and the ledger is whole."""

from __future__ import annotations

import random
import time

import pytest

from client import expect, refused
from conftest import Deploy
from feiqian import Server
from test_restart import Load
from world import World

ROUNDS = 4


@pytest.mark.timeout(300)
def test_killed_under_load(deploy: Deploy, seed: int) -> None:
    chance = random.Random(seed)
    own = deploy()
    fq = World(own)
    for _ in range(ROUNDS):
        load = Load(fq, clients=8, orders=125)
        load.start()
        load.wait_until(1 + chance.randrange(200))
        time.sleep(chance.random() * 0.05)  # the moment is what is random here
        own.kill()
        load.finish()
        assert load.acknowledged
        own.start()
        load.check()
    own.stop()


@pytest.mark.timeout(300)
def test_one_service_is_killed_under_load(deploy: Deploy, seed: int) -> None:
    """Split: the others live on, and after the restart all agree again."""
    own = deploy(start=False)
    if own.kind.shape != "split":
        pytest.skip("one process has no other")
    own.start()
    fq = World(own)
    chance = random.Random(seed)
    for service in ("payment", "order", "user"):
        load = Load(fq, clients=4, orders=100)
        load.start()
        load.wait_until(1 + chance.randrange(50))
        own.servers[service].process.kill()
        load.finish()
        for answer in load.others:
            refused(answer, "unavailable")
        own.kill()
        own.start()
        load.check()
        paid = load.asked[next(iter(load.acknowledged))]["order_id"]
        assert expect(fq.admin.get(f"/v1/orders/{paid}"))["status"] == "paid"
    own.stop()


@pytest.mark.timeout(300)
def test_killed_right_after_the_answer(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    for _ in range(3):
        sale = fq.sale(100)
        refund = fq.refund(sale.payment, 30)
        own.kill()
        own.start()
        assert fq.get(refund) == refund
        assert fq.get(sale.payment)["amount_refunded"] == 30
        assert fq.balance(sale.payer) == (30, 0, 0)
    own.check_ledger()
    own.stop()


@pytest.mark.timeout(300)
def test_killed_while_starting(deploy: Deploy, seed: int) -> None:
    """A first start that is cut off at any moment leaves something that the next start can use."""
    own = deploy(start=False)
    if own.kind.shape == "split":
        pytest.skip("the same code starts one service as three")
    chance = random.Random(seed)
    where = ["--data", own.data(), "--listen", "127.0.0.1:0"]
    for _ in range(6):
        server = Server(where, own.environment, own.folder / "cut-off.log")
        time.sleep(chance.random() * 0.15)
        server.kill()
    own.start()
    World(own).sale()
    own.check_ledger()
    own.stop()
