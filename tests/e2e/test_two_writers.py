"""Two processes of one service on one database take payments at once: same orders, wallets, keys."""

from __future__ import annotations

import random
import uuid

import pytest

import names
from client import Answer, Client, eventually, expect, pages, refused, together
from conftest import Deploy
from feiqian import Deployment, Server
from test_capture import WEEK_S
from test_races import outcomes
from test_restart import Load
from world import World

CLIENTS = 60


class Two(World):
    """A world whose payments are taken by two writers in turn."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self.writers = (deployment.servers["payment"], deployment.beside("payment"))
        self.admins = [self._admin(writer) for writer in self.writers]

    def _admin(self, writer: Server) -> Client:
        def url_for(path: str) -> str:
            return writer.url if names.service_of(path) == "payment" else self.deployment.url_for(path)

        return Client(url_for, self.admin.credentials, key_id=self.admin.key_id)

    def at_once(self, bodies: list[dict[str, object]], key: str | None = None) -> list[Answer]:
        """Each body is paid, half of them at either writer."""
        return together(
            len(bodies),
            lambda n: self.admins[n % 2].post("/v1/payments", bodies[n], key=key or uuid.uuid4().hex),
        )


@pytest.fixture
def two(deploy: Deploy) -> Two:
    own = deploy(start=False)
    if own.kind.shape != "split" or own.kind.store != "postgres":
        pytest.skip("one process writes an SQLite file; one process has one writer")
    own.start()
    return Two(own)


@pytest.mark.timeout(300)
def test_of_two_writers_one_pays(two: Two, seed: int) -> None:
    payee = two.merchant()
    for _ in range(3):
        # One order.
        payers = [two.payer(100) for _ in range(4)]
        order = two.order(payee, 100)
        answers = two.at_once([two.payment_body(order, payers[n % 4]) for n in range(CLIENTS)])
        assert outcomes(answers) == {"201": 1, "order_already_paid": CLIENTS - 1}
        assert sum(two.balance(payer)[0] for payer in payers) == 300
        assert len(pages(two.admin, "/v1/payments", order_id=order["id"])) == 1
        # One wallet.
        payer, orders = two.payer(1000), two.orders(payee, CLIENTS, 100)
        answers = two.at_once([two.payment_body(order, payer) for order in orders])
        assert outcomes(answers) == {"201": 10, "insufficient_balance": CLIENTS - 10}
        assert two.balance(payer) == (0, 0, 0)
        # One idempotency key.
        payer, order = two.payer(1000), two.order(payee, 100)
        answers = two.at_once([two.payment_body(order, payer)] * CLIENTS, uuid.uuid4().hex)
        shown = [expect(answer, 201) for answer in answers]
        assert all(one == shown[0] for one in shown)
        assert sum(answer.replayed for answer in answers) == CLIENTS - 1
        assert two.balance(payer) == (900, 0, 0)
        # One key for different orders.
        payer, orders = two.payer(10_000), two.orders(payee, CLIENTS, 100)
        answers = two.at_once([two.payment_body(order, payer) for order in orders], uuid.uuid4().hex)
        assert outcomes(answers) == {"201": 1, "idempotency_key_reused": CLIENTS - 1}
        assert two.balance(payer) == (9900, 0, 0)
    # A nonce or a key that one writer has seen is known to the other, whoever is asked first.
    sale = two.sale(100)
    refused(
        two.admins[1].post("/v1/payments", two.payment_body(sale.order, sale.payer)), "order_already_paid"
    )
    two.deployment.check_ledger()
    two.deployment.stop()


@pytest.mark.timeout(300)
def test_money_runs_in_circles_through_two_writers(two: Two, seed: int) -> None:
    """Wallets that pay each other at both writers lock the same rows in any order: none is lost or stuck."""
    chance = random.Random(seed)
    users = [two.user("payer", "merchant", balance=1000) for _ in range(6)]
    orders = {user["id"]: two.orders(user, 100, 10) for user in users}
    bodies: list[dict[str, object]] = []
    for payee in users:
        for order in orders[payee["id"]]:
            payer = chance.choice([user for user in users if user is not payee])
            bodies.append(two.payment_body(order, payer))
    chance.shuffle(bodies)
    for first in range(0, len(bodies), CLIENTS):
        found = outcomes(two.at_once(bodies[first : first + CLIENTS]))
        assert found.keys() <= {"201", "insufficient_balance"}, found
    assert sum(two.balance(user)[0] for user in users) == 6000
    for user in users:
        two.check_balances_from_entries(user)
    events = pages_of_events(two.admins[0])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events == pages_of_events(two.admins[1])
    two.deployment.check_ledger()
    two.deployment.stop()


@pytest.mark.timeout(300)
def test_one_of_two_writers_is_killed_under_load(two: Two) -> None:
    """The other goes on; the one that comes again takes up where it was."""
    load = Load(two, clients=6, orders=150)
    load.start()
    load.wait_until(50)
    extra = two.deployment.servers.popitem()[1]
    sales = together(8, lambda n: two.admins[1].post("/v1/payments", {}, retry=False).status)
    assert set(sales) == {400}
    extra.kill()
    before = len(load.acknowledged)
    load.wait_until(before + 50)
    load.finish()
    assert not load.others
    load.check()
    two.deployment.stop()


@pytest.mark.timeout(300)
def test_killbill_338_two_looked_after_the_same_payment(two: Two) -> None:
    """One owner with a lease for each authorisation that ends: once in effect, also when one of two is killed."""
    sales = [two.authorized(100) for _ in range(30)]
    two.deployment.advance_clock(WEEK_S + 1)
    two.deployment.servers.popitem()[1].kill()
    for sale in sales:
        eventually(lambda sale=sale: two.get(sale.payment)["status"], lambda status: status == "cancelled")  # type: ignore[misc]
        assert two.balance(sale.payer) == (100, 0, 0)
    told = [
        event["data"]["id"]
        for event in pages_of_events(two.admins[0])
        if event["type"] == "payment.cancelled"
    ]
    assert sorted(told) == sorted(sale.payment["id"] for sale in sales)
    two.deployment.check_ledger()
    two.deployment.stop()


def pages_of_events(client: Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    query: dict[str, object] = {"limit": 100}
    while True:
        page = expect(client.get("/v1/events", **query))
        found += page["data"]
        if not page["data"]:
            return found
        query["from"] = page["next"]
