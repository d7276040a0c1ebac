"""Manual capture: a hold, then one capture of at most that, or a cancel, or its lapse."""

from __future__ import annotations

import datetime

from client import eventually, expect, refused
from conftest import Deploy
from world import World


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_an_authorisation_holds_the_money(fq: World) -> None:
    sale = fq.authorized(1999)
    assert sale.payment["amount_captured"] == 0
    window = moment(sale.payment["capture_before"]) - moment(sale.payment["created_at"])
    assert abs(window - datetime.timedelta(days=7)) < datetime.timedelta(seconds=2)
    assert fq.balance(sale.payer) == (0, 0, 1999) and fq.balance(sale.payee) == (0, 0, 0)
    fq.topup(sale.payer, 1999)
    refused(fq.try_pay(sale.order, sale.payer), "order_not_payable")
    assert fq.balance(sale.payer) == (1999, 0, 1999)
    fq.check_balances_from_entries(sale.payer)


def test_held_money_cannot_be_spent(fq: World) -> None:
    sale = fq.authorized(500)
    refused(fq.try_pay(fq.order(sale.payee, 1), sale.payer), "insufficient_balance")


def test_capture_of_all(fq: World) -> None:
    sale = fq.authorized(1999)
    captured = fq.act(sale.payment, "capture", {})
    assert captured["status"] == "succeeded" and captured["amount_captured"] == 1999
    assert fq.balance(sale.payer) == (0, 0, 0) and fq.balance(sale.payee) == (1999, 0, 0)
    assert fq.get(sale.order)["status"] == "paid"
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture"), "state_conflict")
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/cancel"), "state_conflict")


def test_capture_of_a_part_releases_the_rest(fq: World) -> None:
    sale = fq.authorized(1999)
    captured = fq.act(sale.payment, "capture", {"amount": 1500})
    assert captured["amount"] == 1999 and captured["amount_captured"] == 1500
    assert fq.balance(sale.payer) == (499, 0, 0) and fq.balance(sale.payee) == (1500, 0, 0)
    assert fq.get(sale.order)["amount_paid"] == 1500
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture", {"amount": 1}), "state_conflict")
    body = {"payment_id": sale.payment["id"], "amount": 1501}
    refused(fq.admin.post("/v1/refunds", body), "refund_exceeds_payment")
    assert fq.refund(sale.payment)["amount"] == 1500
    for user in (sale.payer, sale.payee):
        fq.check_balances_from_entries(user)


def test_no_more_is_captured_than_was_authorised(fq: World) -> None:
    sale = fq.authorized(100)
    path = f"/v1/payments/{sale.payment['id']}/capture"
    refused(fq.admin.post(path, {"amount": 101}), "capture_exceeds_payment")
    assert fq.balance(sale.payer) == (0, 0, 100)
    fq.act(sale.payment, "capture", {"amount": 100})


def test_cancel_releases_the_hold_and_frees_the_order(fq: World) -> None:
    sale = fq.authorized(100)
    assert fq.act(sale.payment, "cancel")["status"] == "cancelled"
    assert fq.balance(sale.payer) == (100, 0, 0)
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture"), "state_conflict")
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/cancel"), "state_conflict")
    assert fq.get(sale.order)["status"] == "pending"
    again = fq.pay(sale.order, sale.payer)
    assert again["status"] == "succeeded" and again["id"] != sale.payment["id"]


def test_an_automatic_payment_has_nothing_to_capture(fq: World) -> None:
    sale = fq.sale()
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture"), "state_conflict")
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/cancel"), "state_conflict")


def test_an_unknown_payment_is_not_found(fq: World) -> None:
    for verb in ("capture", "cancel"):
        refused(fq.admin.post(f"/v1/payments/pay_0123456789012/{verb}"), "payment_not_found")


def test_an_authorisation_is_not_refundable(fq: World) -> None:
    sale = fq.authorized()
    refused(fq.admin.post("/v1/refunds", {"payment_id": sale.payment["id"]}), "payment_not_refundable")


def test_an_order_is_not_cancelled_under_an_open_authorisation(fq: World) -> None:
    sale = fq.authorized(100)
    refused(fq.admin.post(f"/v1/orders/{sale.order['id']}/cancel"), "order_not_payable")
    assert fq.get(sale.payment)["status"] == "authorized"
    assert fq.balance(sale.payer) == (0, 0, 100)


WEEK_S = 7 * 86_400


def test_an_authorisation_lapses_and_the_hold_is_released(deploy: Deploy) -> None:
    fq = World(deploy())
    sale = fq.authorized(100)
    fq.deployment.advance_clock(WEEK_S - 3600)
    assert fq.get(sale.payment)["status"] == "authorized"
    fq.deployment.advance_clock(3700)
    eventually(lambda: fq.get(sale.payment)["status"], lambda status: status == "cancelled")
    assert fq.balance(sale.payer) == (100, 0, 0)
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture"), "state_conflict")
    assert expect(fq.try_pay(fq.order(sale.payee, 100), sale.payer), 201)["status"] == "succeeded"
    fq.deployment.check_ledger()
    fq.deployment.stop()


def test_an_authorisation_that_lapsed_is_not_captured_even_before_the_timer(deploy: Deploy) -> None:
    fq = World(deploy())
    sale = fq.authorized(100)
    fq.deployment.advance_clock(WEEK_S + 1)
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture"), "state_conflict")
    eventually(lambda: fq.balance(sale.payer), lambda balance: balance == (100, 0, 0))


def test_the_timer_survives_a_restart(deploy: Deploy) -> None:
    fq = World(deploy())
    sale = fq.authorized(100)
    fq.deployment.restart()
    fq.deployment.advance_clock(WEEK_S + 1)
    fq.deployment.restart()
    eventually(lambda: fq.get(sale.payment)["status"], lambda status: status == "cancelled")
    assert fq.balance(sale.payer) == (100, 0, 0)
