"""Balances as of any past moment, from the entries."""

from __future__ import annotations

import datetime

from client import expect, pages, refused
from feiqian import wait_until_after
from world import World


def shifted(created_at: str, milliseconds: int) -> str:
    moment = datetime.datetime.fromisoformat(created_at.replace("Z", "+00:00"))
    moment += datetime.timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_every_moment_of_a_wallet(fq: World) -> None:
    payer, payee = fq.payer(), fq.merchant()
    history: list[tuple[str, int]] = []

    def note(balance: int) -> None:
        account = next(one for one in fq.accounts(payer) if one["kind"] == "available")
        newest = expect(fq.admin.get(f"/v1/accounts/{account['id']}/entries", limit=1))["data"][0]
        history.append((newest["created_at"], balance))
        wait_until_after(newest["created_at"])

    fq.topup(payer, 1000)
    note(1000)
    payment = fq.pay(fq.order(payee, 300), payer)
    note(700)
    held = fq.pay(fq.order(payee, 200), payer, capture="manual")
    note(500)
    fq.refund(payment, 50)
    note(550)
    fq.act(held, "capture", {"amount": 150})
    note(600)

    account = next(one for one in fq.accounts(payer) if one["kind"] == "available")
    path = f"/v1/accounts/{account['id']}"
    assert expect(fq.admin.get(path))["balance"] == 600
    before = 0
    for moment, balance in history:
        assert expect(fq.admin.get(path, at=shifted(moment, -1)))["balance"] == before
        assert expect(fq.admin.get(path, at=moment))["balance"] == balance
        before = balance
    assert expect(fq.admin.get(path, at="2025-01-01T00:00:00Z"))["balance"] == 0
    held_account = next(one for one in fq.accounts(payer) if one["kind"] == "held")
    then = fq.admin.get(f"/v1/accounts/{held_account['id']}", at=history[2][0])
    assert expect(then)["balance"] == 200 and held_account["balance"] == 0


def test_a_bad_moment_is_refused(fq: World) -> None:
    user = fq.payer(1)
    path = f"/v1/accounts/{fq.accounts(user)[0]['id']}"
    for bad in ("yesterday", "2026-02-30T00:00:00Z", "1700000000", "2026-01-01", ""):
        refused(fq.admin.get(path, at=bad), "invalid_field", "at")


def test_debits_equal_credits_over_all_accounts(fq: World) -> None:
    fq.refund(fq.sale().payment, 1)
    fq.authorized()
    users = system = 0
    for account in pages(fq.admin, "/v1/accounts", limit=100):
        if account["currency"] != "CNY":
            continue
        if account["user_id"] is None:
            system += account["balance"]
        else:
            assert account["balance"] >= 0, account
            users += account["balance"]
    assert users > 0 and users + system == 0
