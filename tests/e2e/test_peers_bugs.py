"""What went wrong in other payment systems and ledgers, each as a test of ours.

A test's name is the project and the number of its report. What concerns channels, webhooks, settlement and containers
is tested where those are.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from client import Answer, eventually, expect, pages, refused, target, together
from conftest import Deploy
from feiqian import BINARY, command
from test_events import feeds
from test_races import outcomes
from world import World


def test_killbill_639_second_capture_under_the_same_key(fq: World) -> None:
    """While the first capture's outcome is open, the same key does not execute a second."""
    sale, key = fq.authorized(100), uuid.uuid4().hex
    path = f"/v1/payments/{sale.payment['id']}/capture"
    answers = together(20, lambda n: fq.admin.post(path, {"amount": 70}, key=key))
    assert all(expect(answer) == expect(answers[0]) for answer in answers)
    assert sum(answer.replayed for answer in answers) == 19
    assert fq.balance(sale.payee) == (70, 0, 0)
    entries = pages(fq.admin, f"/v1/payments/{sale.payment['id']}/entries")
    assert sum(entry["amount"] for entry in entries if entry["kind"] == "capture") == 70


def test_killbill_660_completion_made_two_transactions(fq: World) -> None:
    """Completion and state change are one command: ten at once make one."""
    sale = fq.authorized(100)
    path = f"/v1/payments/{sale.payment['id']}/capture"
    answers = together(10, lambda n: fq.admin.post(path))
    assert outcomes(answers) == {"200": 1, "state_conflict": 9}
    assert fq.balance(sale.payee) == (100, 0, 0)


def test_killbill_1555_2207_no_work_item_vanishes(deploy: Deploy) -> None:
    """Orders that lapse while nobody runs lapse when somebody does; and the oldest waiting is a metric."""
    own = deploy()
    fq = World(own)
    payee = fq.merchant()
    orders = [fq.order(payee, 100, expires_in=1) for _ in range(30)]
    own.kill()
    own.start()
    for order in orders:
        eventually(lambda: fq.get(order)["status"], lambda status: status == "expired")  # noqa: B023
    own.stop()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_killbill_150_1074_time_zones_differed(deploy: Deploy, zone: str) -> None:
    """Nothing depends on the zone of server or database: the same moments, the same filters."""
    own = deploy(environment={"TZ": zone, "PGTZ": "Asia/Kathmandu"})
    fq = World(own)
    order = fq.order(fq.merchant(), expires_in=3600)
    created = order["created_at"]
    hour = f"{created[:13]}:00:00.000Z"
    assert abs(time.time() - timestamp(created)) < 60
    found = pages(fq.admin, "/v1/orders", created_from=hour, user_id=order["payee_id"])
    assert [one["id"] for one in found] == [order["id"]]
    assert pages(fq.admin, "/v1/orders", created_to=hour, user_id=order["payee_id"]) == []
    own.environment["TZ"] = "UTC"
    own.restart()
    assert fq.get(order) == order
    own.stop()


def timestamp(text: str) -> float:
    assert text.endswith("Z")
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_hyperswitch_9278_event_carried_the_status_from_before(fq: World) -> None:
    """An event is made in the commit that makes it true, and shows exactly that state."""
    feed = feeds(fq)[-1]
    _, cursor = feed.read()
    sale = fq.sale(100)
    fq.refund(sale.payment, 100)
    events, _ = feed.read(cursor)
    paid = next(event for event in events if event["data"]["id"] == sale.payment["id"])
    assert paid["type"] == "payment.succeeded" and paid["data"] == sale.payment
    for event in events:
        verb = event["type"].partition(".")[2]
        if verb in ("succeeded", "authorized", "cancelled", "failed"):
            assert event["data"]["status"] == verb, event


def test_hyperswitch_11103_11104_9120_nothing_is_fetched_at_start(binary: Path) -> None:
    """A first start in a world without a network: migrations and all else are in the binary."""
    unshare = shutil.which("unshare")
    loopback = "ip link set lo up && exec "
    if unshare is None or shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs root, unshare and ip to be alone")
    probe = subprocess.run([unshare, "-n", "true"], capture_output=True, timeout=10, check=False)
    if probe.returncode != 0:
        pytest.skip("network namespaces are not allowed here")
    done = subprocess.run(
        [unshare, "-n", "sh", "-c", f"{loopback}{BINARY} demo"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_hyperswitch_7080_first_run_errors_name_the_cause(binary: Path, tmp_path: Path) -> None:
    """A port in use, a folder that is a file, a database that is not there: each is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("serve", "--data", tmp_path / "data", "--listen", address, timeout=20)
        assert done.returncode == 3 and address in done.stderr
    file = tmp_path / "file"
    file.write_text("no folder")
    done = command("serve", "--data", file, "--listen", "127.0.0.1:0", timeout=20)
    assert done.returncode == 3 and str(file) in done.stderr
    done = command(
        "serve", "--data", "postgresql://nobody@127.0.0.1:1/x", "--listen", "127.0.0.1:0", timeout=60
    )
    assert done.returncode == 3 and "127.0.0.1" in done.stderr


def test_blnk_181_available_ignored_pending_debits(fq: World, seed: int) -> None:
    """Available is what is posted less what is held, after each step of a random history."""
    chance = random.Random(seed)
    payer, payee = fq.payer(1000), fq.merchant()
    posted = 1000
    holds: dict[str, int] = {}
    for _ in range(40):
        amount = chance.randint(1, 300)
        held = sum(holds.values())
        step = chance.choice(["pay", "hold", "capture", "cancel", "topup"])
        if step == "topup":
            fq.topup(payer, amount)
            posted += amount
        elif step in ("pay", "hold"):
            manual = "manual" if step == "hold" else "automatic"
            answer = fq.try_pay(fq.order(payee, amount), payer, capture=manual)
            if amount > posted - held:
                refused(answer, "insufficient_balance")
            elif step == "pay":
                expect(answer, 201)
                posted -= amount
            else:
                holds[expect(answer, 201)["id"]] = amount
        elif holds:
            payment = chance.choice(sorted(holds))
            amount = holds.pop(payment)
            part = chance.randint(1, amount)
            body = {"amount": part} if step == "capture" else None
            expect(fq.admin.post(f"/v1/payments/{payment}/{step}", body))
            posted -= part if step == "capture" else 0
        held = sum(holds.values())
        assert fq.balance(payer) == (posted - held, 0, held)
    fq.check_balances_from_entries(payer)


def test_blnk_182_rejected_hold_was_committed(fq: World) -> None:
    """Every transition that is not in the state machine is refused, and changes nothing."""
    cancelled, captured, automatic = fq.authorized(100), fq.authorized(100), fq.sale(100)
    fq.act(cancelled.payment, "cancel")
    fq.act(captured.payment, "capture")
    for sale in (cancelled, captured, automatic):
        before = fq.get(sale.payment)
        for verb in ("capture", "cancel"):
            path = f"/v1/payments/{sale.payment['id']}/{verb}"
            refused(fq.admin.post(path), "state_conflict")
        assert fq.get(sale.payment) == before
    assert fq.balance(cancelled.payer) == (100, 0, 0)


def test_blnk_239_balance_was_read_outside_the_transaction(fq: World) -> None:
    """Payments, holds and refunds of one wallet at once: each is decided on what the one before left."""
    payee, payer = fq.merchant(), fq.payer(500)
    orders = fq.orders(payee, 40, 50)
    paid = [fq.pay(order, payer) for order in orders[:5]]

    def work(n: int) -> Answer:
        if n < 5:
            return fq.admin.post("/v1/refunds", {"payment_id": paid[n]["id"]})
        return fq.try_pay(orders[n], payer, capture="manual" if n % 2 else "automatic")

    counted = outcomes(together(40, work))
    assert set(counted) <= {"201", "insufficient_balance"}
    available, _, held = fq.balance(payer)
    assert available + held + fq.balance(payee)[0] == 500 and available >= 0
    fq.check_balances_from_entries(payer)
    fq.check_balances_from_entries(payee)


@pytest.mark.parametrize("bad", range(4))
def test_blnk_183_atomic_bulk_was_not(fq: World, bad: int) -> None:
    """Several sources, a refusal at any item: all or none."""
    payee = fq.merchant()
    payers = [fq.payer(100) for _ in range(4)]
    orders = fq.orders(payee, 4, 100)
    payments = [fq.payment_body(order, payer) for order, payer in zip(orders, payers, strict=True)]
    spent = fq.order(fq.merchant(), 60)
    fq.pay(spent, payers[bad])
    results = expect(fq.admin.post("/v1/payments/bulk", {"payments": payments, "atomic": True}))["data"]
    codes = [one["body"]["code"] for one in results]
    assert codes == ["insufficient_balance" if n == bad else "bulk_aborted" for n in range(4)]
    assert [fq.balance(payer)[0] for payer in payers] == [40 if n == bad else 100 for n in range(4)]
    assert fq.balance(payee) == (0, 0, 0)


def test_blnk_55_balances_moved_without_a_transaction(fq: World) -> None:
    """Balances come from entries alone: recomputed after each kind of movement."""
    sale, held = fq.sale(100), fq.authorized(100)
    fq.refund(sale.payment, 30)
    fq.act(held.payment, "capture", {"amount": 60})
    refused(fq.try_pay(fq.order(sale.payee, 500), sale.payer), "insufficient_balance")
    for user in (sale.payer, sale.payee, held.payer, held.payee):
        fq.check_balances_from_entries(user)
    fq.deployment.check_ledger()


@pytest.mark.parametrize("url", ["not a url", "ftp://127.0.0.1:1", "127.0.0.1:8080", "http://"])
def test_blnk_71_a_url_in_the_configuration_was_misread(binary: Path, tmp_path: Path, url: str) -> None:
    """Configuration is checked at start, with a message that names setting and value."""
    done = command(
        "serve", "--services", "payment", "--data", tmp_path / "data", "--listen", "127.0.0.1:0",
        environment={"FEIQIAN_USER_URL": url, "FEIQIAN_ORDER_URL": "http://127.0.0.1:1"}, timeout=20,
    )  # fmt: skip
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert url in done.stderr and "user" in done.stderr and "url" in done.stderr.lower()


def test_blnk_254_stuck_between_request_and_ledger(deploy: Deploy) -> None:
    """Nothing is acknowledged from a queue: what was answered survives a SIGKILL the moment after."""
    own = deploy()
    fq = World(own)
    for _ in range(3):
        payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
        payment = fq.pay(order, payer)
        own.kill()
        own.start()
        assert fq.get(payment) == payment
        assert pages(fq.admin, payment["entries_url"])
        assert fq.balance(payer) == (0, 0, 0)
    own.check_ledger()
    own.stop()


def test_formance_770_deadlocks_over_several_accounts(fq: World, seed: int) -> None:
    """Random payments and bulks among many accounts, in every direction at once: no deadlock surfaces."""
    chance = random.Random(seed)
    users = [fq.user(balance=10_000) for _ in range(8)]
    plans = []
    for _ in range(16):
        plan = []
        for _ in range(5):
            payer, payee = chance.sample(range(8), 2)
            plan.append((payer, payee))
        plans.append(plan)
    wanted = [sum(payee == user for plan in plans for _, payee in plan) for user in range(8)]
    stock = [fq.orders(user, max(count, 1), 10) for user, count in zip(users, wanted, strict=True)]
    work = [[(stock[payee].pop(), users[payer]) for payer, payee in plan] for plan in plans]

    def run(n: int) -> list[int]:
        payments = [fq.payment_body(order, payer) for order, payer in work[n]]
        if n % 2:
            results = expect(fq.admin.post("/v1/payments/bulk", {"payments": payments, "atomic": True}))
            return [one["status"] for one in results["data"]]
        return [fq.admin.post("/v1/payments", payment).status for payment in payments]

    assert together(16, run) == [[201] * 5] * 16
    assert sum(fq.balance(user)[0] for user in users) == 80_000
    for user in users:
        fq.check_balances_from_entries(user)


HOSTILE = [
    "' OR '1'='1", "x' --", '"; DROP TABLE payments; --', "%' OR 1=1 #", "\\' OR 1=1 --", "$1", "?", "%", "_",
    "x') UNION SELECT 1,2,3 --", "||(SELECT 1)||",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_formance_1349_filter_values_were_not_escaped(fq: World, text: str) -> None:
    """Only bound parameters: a hostile value finds itself or nothing, or is no valid value."""
    reference = text.replace(" ", "/**/")
    payee = fq.merchant()
    fq.order(payee, reference="harmless")
    mine = fq.order(payee, reference=reference)
    found = pages(fq.admin, "/v1/orders", reference=reference, user_id=payee["id"])
    assert [one["id"] for one in found] == [mine["id"]]
    for path in ("payments", "refunds", "topups"):
        found = pages(fq.admin, f"/v1/{path}", reference=reference)
        assert all(one["reference"] == reference for one in found)
    for path, name in (
        ("payments", "status"), ("payments", "user_id"), ("payments", "order_id"), ("orders", "after"),
        ("orders", "created_from"), ("users", "status"), ("accounts", "user_id"),
    ):  # fmt: skip
        refused(fq.admin.request("GET", target(f"/v1/{path}", **{name: text})), "invalid_field", name)


def test_formance_1600_1601_idempotency_and_bulk_errors_were_500(fq: World) -> None:
    """Refusals inside and around a bulk are what they are: never a 500 (every other code: test_errors.py)."""
    sale, key = fq.sale(100), uuid.uuid4().hex
    good = {"payments": [fq.payment_body(sale.order, sale.payer)]}
    results = expect(fq.admin.post("/v1/payments/bulk", good, key=key))["data"]
    assert results[0]["status"] == 409 and results[0]["body"]["code"] == "order_already_paid"
    other = {"payments": [fq.payment_body(sale.order, sale.payer, amount=1)]}
    problem = refused(fq.admin.post("/v1/payments/bulk", other, key=key), "idempotency_key_reused")
    assert problem["differs"]
    items: list[Any] = [{}, [], None, 7, "x", {"amount": []}, {"order_id": {}}]
    for item in items:
        body = {"payments": [item], "atomic": True}
        answer = fq.admin.post("/v1/payments/bulk", body)
        if isinstance(item, dict):
            result = expect(answer)["data"][0]
            assert result["status"] == 400, result
        else:
            assert answer.status < 500, answer


def test_tigerbeetle_2130_backup_needed_a_stop(binary: Path) -> None:
    """Online backup, restored and verified: test_backup.py does it under load; here the door is shown."""
    done = command("help", "db", "backup")
    assert done.returncode == 0 and "--to" in done.stdout


def test_tigerbeetle_1940_a_number_that_nobody_could_reproduce() -> None:
    """Published numbers come with the machine, the date, the seed and all that the run was asked."""
    root = Path(__file__).parents[2]
    results = sorted((root / "bench" / "results").glob("*.json"))
    readme = (root / "README.md").read_text("utf-8")
    assert results and "make bench" in readme
    for path in results:
        result = json.loads(path.read_text("utf-8"))
        assert result["date"] and result["machine"]["cpu"] and result["machine"]["version"], path
        run = (
            result["run"] if "run" in result else result["runs"][0] if "runs" in result else result["hot"][0]
        )
        asked = {"seed", "connections", "seconds", "wallets", "bulk", "hot_share", "rate", "loop"}
        assert asked <= run.keys(), path
        assert not result["quick"] and result["date"][:10] in readme, path


def test_tigerbeetle_2446_1158_io_uring_is_not_needed(fq: World) -> None:
    """The default container profile suffices: no io_uring among what a serving process has open."""
    fq.sale()
    for server in fq.deployment.servers.values():
        folder = Path(f"/proc/{server.process.pid}/fd")
        opened = [os.readlink(path) for path in folder.iterdir() if path.is_symlink()]
        assert opened and not any("io_uring" in name for name in opened), opened
