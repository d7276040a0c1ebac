"""The feed of events: forward, oldest first, without gaps, each with its data as it was then."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import names
from client import Client, expect, refused, together
from conftest import Deploy
from feiqian import Deployment
from world import Json, World


class Feed:
    """Reads one service's feed (one process has them all in one)."""

    def __init__(self, client: Client, deployment: Deployment, service: str) -> None:
        url = deployment.url_for({"user": "/v1/users", "order": "/v1/orders"}.get(service, "/"))
        self.client = Client(lambda path: url, client.credentials, client.extra)

    def page(self, cursor: str | None, limit: int = 100) -> Json:
        page: Json = expect(self.client.get("/v1/events", from_=cursor, limit=limit))
        assert page["object"] == "list" and page["next"], page
        return page

    def read(self, cursor: str | None = None) -> tuple[list[Json], str]:
        found: list[Json] = []
        for _ in range(10_000):
            page = self.page(cursor)
            found += page["data"]
            cursor = page["next"]
            if not page["has_more"]:
                return found, cursor
        raise AssertionError("the feed does not end")


def feeds(fq: World, client: Client | None = None) -> list[Feed]:
    services = ("payment",) if fq.deployment.kind.shape == "one" else names.SERVICES
    return [Feed(client or fq.admin, fq.deployment, service) for service in services]


def test_sequences_have_no_gaps(fq: World) -> None:
    fq.refund(fq.sale().payment)
    seen: set[str] = set()
    for feed in feeds(fq):
        events, cursor = feed.read()
        by_source: dict[str, list[int]] = {}
        for event in events:
            assert event["object"] == "event" and event["id"].startswith("evt_")
            assert event["mode"] == "sandbox" and event["resource_version"] >= 1
            by_source.setdefault(event["source"], []).append(event["sequence"])
        for source, sequence in by_source.items():
            assert sequence == list(range(sequence[0], sequence[0] + len(sequence))), source
            assert sequence[0] == 1, source
        seen |= set(by_source)
        assert len({event["id"] for event in events}) == len(events)
        while (end := feed.page(cursor))["data"]:  # another test's order hears of its payment
            cursor = end["next"]
        assert end["data"] == [] and end["next"] and end["has_more"] is False
    assert seen == set(names.SERVICES)


def test_a_feed_goes_on_where_it_stopped(fq: World) -> None:
    feed = feeds(fq)[-1]
    _, cursor = feed.read()
    sale = fq.sale()
    new, later = feed.read(cursor)
    mine = [event for event in new if event["data"]["id"] == sale.payment["id"]]
    assert [event["type"] for event in mine] == ["payment.succeeded"]
    assert feed.read(cursor)[0][: len(new)] == new  # the same question, the same answer
    assert all(event["id"] not in {one["id"] for one in new} for event in feed.read(later)[0])
    small: list[Json] = []
    at = cursor
    while len(small) < len(new):
        page = feed.page(at, limit=1)
        assert len(page["data"]) <= 1
        small += page["data"]
        at = page["next"]
    assert small == new


def test_data_is_as_it_was_then(fq: World) -> None:
    feed = feeds(fq)[-1]
    _, cursor = feed.read()
    sale = fq.authorized(100)
    fq.act(sale.payment, "capture", {"amount": 70})
    refund = fq.refund(sale.payment, 30)
    events, _ = feed.read(cursor)
    mine = [event for event in events if event["data"]["id"] == sale.payment["id"]]
    shown = [
        (event["type"], event["data"]["status"], event["data"]["amount_captured"],
         event["data"]["amount_refunded"])
        for event in mine[:2]
    ]  # fmt: skip
    assert shown == [
        ("payment.authorized", "authorized", 0, 0),
        ("payment.succeeded", "succeeded", 70, 0),
    ]
    assert mine[0]["data"] == sale.payment
    versions = [event["resource_version"] for event in mine]
    assert versions == sorted(set(versions))
    assert [event["data"]["version"] for event in mine] == versions
    refunds = [event for event in events if event["data"]["id"] == refund["id"]]
    assert [event["type"] for event in refunds] == ["refund.succeeded"]
    assert refunds[0]["data"] == refund


def test_an_event_can_be_read_alone(fq: World) -> None:
    fq.sale()
    for feed in feeds(fq):
        event = feed.read()[0][-1]
        assert expect(feed.client.get(f"/v1/events/{event['id']}")) == event
    refused(fq.admin.get("/v1/events/evt_0123456789012"), "event_not_found")


def test_types_are_resource_and_past_verb(fq: World) -> None:
    user = fq.user(balance=5)
    fq.act(user, "freeze")
    fq.act(user, "unfreeze")
    order = fq.order(fq.merchant())
    fq.act(order, "cancel")
    types: set[str] = set()
    for feed in feeds(fq):
        types |= {event["type"] for event in feed.read()[0]}
    assert {
        "user.created", "user.frozen", "user.unfrozen", "order.created", "order.cancelled",
        "topup.succeeded", "payment.succeeded",
    } <= types  # fmt: skip


def test_a_bad_cursor_is_refused(fq: World) -> None:
    for cursor in ("nonsense", "-1", "' OR 1=1 --", "9" * 40):
        refused(fq.admin.get("/v1/events", from_=cursor), "invalid_field", "from")
    refused(fq.admin.get("/v1/events", limit=101), "invalid_field", "limit")
    refused(fq.admin.get("/v1/events", since=1), "invalid_field", "since")


def test_nothing_is_skipped_under_load(fq: World) -> None:
    """Readers that follow the feed while writers write see every payment, once and in order."""
    payee = fq.merchant()
    payers = [fq.payer(10) for _ in range(8)]
    orders = fq.orders(payee, 80, 1)
    _, start = feeds(fq)[-1].read()

    def work(index: int) -> list[str]:
        if index < 8:
            return [fq.pay(order, payers[index])["id"] for order in orders[index * 10 : index * 10 + 10]]
        feed, cursor, seen = feeds(fq)[-1], start, []
        for _ in range(2000):
            page = feed.page(cursor, limit=7)
            cursor = page["next"]
            for event in page["data"]:
                if event["type"] == "payment.succeeded" and event["data"]["user_id"] in wanted:
                    seen.append(event["data"]["id"])
            if len(seen) == 80:
                break
        return seen

    wanted = {payer["id"] for payer in payers}
    results = together(10, work)
    paid = sorted(payment for one in results[:8] for payment in one)
    assert sorted(results[8]) == paid and results[9] == results[8]


def test_a_key_reads_the_events_it_may_see(fq: World) -> None:
    mine, other = fq.sale(), fq.sale()
    own = fq.client(f"merchant:{mine.payee['id']}")
    events, _ = feeds(fq, own)[-1].read()
    payments = {event["data"]["id"] for event in events if event["type"] == "payment.succeeded"}
    assert payments == {mine.payment["id"]}
    everything, _ = feeds(fq)[-1].read()
    foreign = next(
        event for event in everything
        if event["type"] == "payment.succeeded" and event["data"]["id"] == other.payment["id"]
    )  # fmt: skip
    refused(own.get(f"/v1/events/{foreign['id']}"), "event_not_found")


def test_the_feed_ends_before_what_a_newer_program_told(deploy: Deploy) -> None:
    """So that a program beside a newer one makes nobody miss an event; the newer one goes on from there."""
    own = deploy()
    if own.kind.store != "sqlite":
        pytest.skip("the same code reads both stores")
    fq = World(own)
    fq.sale()
    own.stop()
    with closing(sqlite3.connect(Path(own.data("payment")) / "payment.db")) as database, database:
        (last,) = database.execute("SELECT max(position) FROM event").fetchone()
        database.execute("UPDATE event SET type = 60000 WHERE position = ?", (last,))
    own.start()
    feed = feeds(fq)[-1]
    page = feed.page(None)
    while page["data"] and page["has_more"]:
        page = feed.page(page["next"])
    assert page["has_more"] and not page["data"]
    assert feed.page(page["next"])["next"] == page["next"]
