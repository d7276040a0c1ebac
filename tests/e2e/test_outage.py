"""The store goes away: 503 with Retry-After, `/readyz` says no, and all is well again when it comes back."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
import uuid
from pathlib import Path

import pytest

from client import Answer, eventually, expect, refused
from feiqian import Deployment, Kind
from postgres import Postgres
from test_restart import Load
from world import World


@pytest.fixture
def own_postgres(kind: Kind, tmp_path: Path) -> Postgres:
    if kind.store != "postgres":
        pytest.skip("needs a database that can be stopped")
    return Postgres()


@pytest.mark.timeout(240)
def test_the_database_is_down_for_a_while(kind: Kind, own_postgres: Postgres, tmp_path: Path) -> None:
    own = Deployment(kind, tmp_path / "outage", own_postgres)
    try:
        own_postgres.start()
        own.start()
        fq = World(own)
        sale = fq.sale(100)
        body, key = fq.payment_body(fq.order(fq.merchant(), 1), fq.payer(1)), uuid.uuid4().hex

        own_postgres.stop("immediate")
        answer = eventually(
            lambda: fq.admin.post("/v1/payments", body, key=key), lambda one: one.status == 503, within=40
        )
        refused(answer, "unavailable")
        assert int(answer.header("Retry-After") or "") >= 1
        payment_url = own.server_of("/v1/payments").url
        nobody = own.anonymous()
        nobody.url_for = lambda path: payment_url
        eventually(lambda: nobody.get("/readyz").status, lambda status: status == 503)
        assert nobody.get("/healthz").status == 200
        # The loss may be seen first by a look at the idle connection; the next commit then fails and counts.
        failed = re.compile(
            r'^feiqian_store_errors_total\{service="payment",kind="\w+"\} [1-9]', re.MULTILINE
        )
        eventually(lambda: failed.search(nobody.get("/metrics").body.decode()))

        own_postgres.start()
        eventually(lambda: nobody.get("/readyz").status, lambda status: status == 200, within=40)
        done = eventually(
            lambda: fq.admin.post("/v1/payments", body, key=key), lambda one: one.status == 201, within=40
        )
        assert expect(done, 201)["status"] == "succeeded"
        assert fq.get(sale.payment) == sale.payment
        own.check_ledger()
        own.stop()
    finally:
        own.kill()
        own_postgres.remove()


@pytest.mark.timeout(240)
def test_a_request_still_under_way(kind: Kind, own_postgres: Postgres, tmp_path: Path) -> None:
    """While the first is held up in the database, the same key waits until its own time is over; paid once."""
    own = Deployment(
        kind, tmp_path / "held-up", own_postgres, environment={"FEIQIAN_STORE_COMMAND_TIMEOUT": "2s"}
    )
    try:
        own_postgres.start()
        own.start()
        fq = World(own)
        payer, order = fq.payer(500), fq.order(fq.merchant(), 100)
        body, key = fq.payment_body(order, payer), uuid.uuid4().hex
        database = own.data("payment").rpartition("/")[2] + "_payment"
        # Somebody else locks every row that a commit needs, for longer than a request may take; after the payer has
        # been followed, and not the lease that is renewed now and then: else the first request waits in the queue too.
        time.sleep(1.5)
        tables = [row[0] for row in own_postgres.sql(
            database, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'writer'",
        )]  # fmt: skip
        lock = f"BEGIN; LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE; SELECT pg_sleep(16); COMMIT"
        holder = threading.Thread(target=own_postgres.sql, args=(database, lock), daemon=True)
        holder.start()
        eventually(lambda: own_postgres.sql(
            database, "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation IS NOT NULL",
        )[0][0] != "0")  # fmt: skip
        answers: list[Answer] = []
        callers = [
            threading.Thread(
                target=lambda: answers.append(fq.admin.post("/v1/payments", body, key=key)), daemon=True
            )
            for _ in range(2)
        ]
        for caller in callers:
            caller.start()
            time.sleep(0.5)  # the first is at the database when the second comes
        for caller in callers:
            caller.join(60)
        codes = sorted(answer.json()["code"] for answer in answers)
        assert codes == ["idempotency_in_progress", "unavailable"], answers
        for answer in answers:
            refused(answer, answer.json()["code"])
        holder.join(60)
        done = eventually(
            lambda: fq.admin.post("/v1/payments", body, key=key), lambda one: one.status == 201, within=30
        )
        assert expect(done, 201)["status"] == "succeeded" and fq.balance(payer) == (400, 0, 0)
        own.check_ledger()
        own.stop()
    finally:
        own.kill()
        own_postgres.remove()


def paid_once(load: Load) -> None:
    """Whatever each caller was told, asked again every payment is there, once."""
    for answer in load.others:
        refused(answer, "unavailable")
        assert int(answer.header("Retry-After") or "") >= 1
    for key, body in load.asked.items():
        eventually(
            lambda key=key, body=body: load.fq.admin.post("/v1/payments", body, key=key),  # type: ignore[misc]
            lambda one: one.status == 201,
            within=40,
        )
    load.check()


@pytest.mark.timeout(240)
def test_connections_are_cut_under_load(kind: Kind, own_postgres: Postgres, tmp_path: Path) -> None:
    """Some of them between COMMIT and its answer: what became of it is found out, and nothing is paid twice."""
    own = Deployment(kind, tmp_path / "cut", own_postgres)
    try:
        own_postgres.start()
        own.start()
        load = Load(World(own), clients=6, orders=300)
        load.start()
        load.wait_until(20)
        for _ in range(12):
            before = len(load.acknowledged)
            own_postgres.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE application_name LIKE 'feiqian%'")  # fmt: skip
            load.wait_until(min(before + 20, 6 * 300 - 50))
        load.finish()
        paid_once(load)
        own.stop()
    finally:
        own.kill()
        own_postgres.remove()


@pytest.mark.timeout(240)
def test_the_database_restarts_under_load(kind: Kind, own_postgres: Postgres, tmp_path: Path) -> None:
    own = Deployment(kind, tmp_path / "restarts", own_postgres)
    try:
        own_postgres.start()
        own.start()
        load = Load(World(own), clients=6, orders=300)
        load.start()
        load.wait_until(50)
        own_postgres.stop("immediate")
        own_postgres.start()
        eventually(lambda: own.anonymous().get("/readyz").status, lambda status: status == 200, within=40)
        load.finish()
        paid_once(load)
        own.stop()
    finally:
        own.kill()
        own_postgres.remove()


@pytest.mark.timeout(240)
def test_an_outcome_that_stays_unknown(kind: Kind, tmp_path: Path) -> None:
    """A standby that never confirms: nobody is told anything of the payment, until it is known."""
    if kind.store != "postgres":
        pytest.skip("needs a database that waits for a standby")
    database = Postgres(wal_level="replica", max_wal_senders="2")
    patience = {"FEIQIAN_STORE_POSTGRES_STATEMENT_TIMEOUT": "500ms", "FEIQIAN_SERVER_DRAIN_TIMEOUT": "1s"}
    own = Deployment(kind, tmp_path / "unknown", database, environment=patience)
    try:
        database.start()
        own.start()
        fq = World(own)
        payer, orders = fq.payer(500), fq.orders(fq.merchant(), 2, 100)
        bodies = [fq.payment_body(order, payer) for order in orders]
        keys = [uuid.uuid4().hex, uuid.uuid4().hex]
        nobody = own.anonymous()

        def standby(name: str) -> None:
            database.sql("postgres", f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            database.sql("postgres", "SELECT pg_reload_conf()")

        def ask(n: int) -> threading.Thread:
            def run() -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answers.append(fq.admin.post("/v1/payments", bodies[n], key=keys[n], retry=False))

            caller = threading.Thread(target=run, daemon=True)
            caller.start()
            return caller

        answers: list[Answer] = []
        standby("nobody")
        caller = ask(0)
        eventually(lambda: nobody.get("/readyz").status, lambda status: status == 503, within=20)
        refused(fq.admin.post("/v1/payments", bodies[1], key=keys[1]), "unavailable")
        assert not answers
        standby("")
        caller.join(30)
        assert [answer.status for answer in answers] == [201]
        eventually(lambda: nobody.get("/readyz").status, lambda status: status == 200, within=20)
        assert fq.balance(payer) == (400, 0, 0)

        # Stopped meanwhile: it ends cleanly, and who was told nothing asks again.
        answers.clear()
        standby("nobody")
        caller = ask(1)
        eventually(lambda: nobody.get("/readyz").status, lambda status: status == 503, within=20)
        own.servers["all" if kind.shape == "one" else "payment"].stop()
        caller.join(30)
        assert not answers
        standby("")
        own.kill()
        own.start()
        assert expect(fq.admin.post("/v1/payments", bodies[1], key=keys[1]), 201)["status"] == "succeeded"
        assert fq.balance(payer) == (300, 0, 0)
        own.check_ledger()
        own.stop()
    finally:
        own.kill()
        database.remove()
