"""Lists: newest first, page by page, filtered, each item once."""

from __future__ import annotations

import datetime

from client import eventually, expect, pages, refused
from feiqian import wait_until_after
from world import Json, World


def ids(page: list[Json]) -> list[str]:
    return [one["id"] for one in page]


def test_pages_follow_each_other_without_gap_or_repeat(fq: World) -> None:
    payee = fq.merchant()
    made = [fq.order(payee, 100 + n)["id"] for n in range(7)]
    newest_first = made[::-1]
    first = expect(fq.admin.get("/v1/orders", user_id=payee["id"], limit=3))
    assert first["object"] == "list" and first["has_more"] is True
    assert ids(first["data"]) == newest_first[:3]
    fq.order(payee, 999)  # made meanwhile: belongs before the first page, and moves nothing
    second = expect(fq.admin.get("/v1/orders", user_id=payee["id"], limit=3, after=first["next"]))
    assert ids(second["data"]) == newest_first[3:6] and second["has_more"] is True
    third = expect(fq.admin.get("/v1/orders", user_id=payee["id"], limit=3, after=second["next"]))
    assert ids(third["data"]) == newest_first[6:] and third["has_more"] is False
    by_id = expect(fq.admin.get("/v1/orders", user_id=payee["id"], after=newest_first[1]))
    assert ids(by_id["data"]) == newest_first[2:]
    assert len(pages(fq.admin, "/v1/orders", user_id=payee["id"], limit=1)) == 8


def test_the_default_page_is_twenty(fq: World) -> None:
    payee = fq.merchant()
    fq.orders(payee, 101)
    assert len(expect(fq.admin.get("/v1/orders", user_id=payee["id"]))["data"]) == 20
    assert len(expect(fq.admin.get("/v1/orders", user_id=payee["id"], limit=100))["data"]) == 100
    everything = ids(pages(fq.admin, "/v1/orders", user_id=payee["id"], limit=17))
    assert len(everything) == 101 == len(set(everything))
    assert everything == sorted(everything, reverse=True)  # ids grow with time


def test_payments_by_payer_payee_order_and_status(fq: World) -> None:
    one, two = fq.sale(100), fq.authorized(100)
    assert ids(pages(fq.admin, "/v1/payments", user_id=one.payer["id"])) == [one.payment["id"]]
    assert ids(pages(fq.admin, "/v1/payments", user_id=one.payee["id"])) == [one.payment["id"]]
    assert ids(pages(fq.admin, "/v1/payments", order_id=two.order["id"])) == [two.payment["id"]]
    for status, found in (("authorized", [two.payment["id"]]), ("succeeded", [])):
        rows = pages(fq.admin, "/v1/payments", user_id=two.payer["id"], status=status)
        assert ids(rows) == found
    assert pages(fq.admin, "/v1/payments", order_id="ord_0123456789012") == []


def test_an_order_lists_all_its_attempts(fq: World) -> None:
    order, payer = fq.order(fq.merchant(), 100), fq.payer(100)
    made = []
    for _ in range(105):
        attempt = fq.pay(order, payer, capture="manual")
        fq.act(attempt, "cancel")
        made.append(attempt)
    newest_first = ids(made)[::-1]
    for limit in (20, 100):
        assert ids(pages(fq.admin, "/v1/payments", order_id=order["id"], limit=limit)) == newest_first
    none = pages(fq.admin, "/v1/payments", order_id=order["id"], status="succeeded")
    assert none == []
    oldest = pages(fq.admin, "/v1/payments", order_id=order["id"], created_to=made[0]["created_at"])
    assert made[0]["id"] in ids(oldest)


def test_an_orders_status_reaches_its_list(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(100)
    paid, open_order = fq.order(payee, 100), fq.order(payee, 100)
    fq.pay(paid, payer)
    eventually(
        lambda: ids(pages(fq.admin, "/v1/orders", user_id=payee["id"], status="paid")),
        lambda found: found == [paid["id"]],
    )
    pending = pages(fq.admin, "/v1/orders", user_id=payee["id"], status="pending")
    assert ids(pending) == [open_order["id"]]


def test_filters_by_time(fq: World) -> None:
    payee = fq.merchant()
    before = fq.order(payee, 1)
    wait_until_after(before["created_at"])
    after = fq.order(payee, 2)
    cut = after["created_at"]
    later = pages(fq.admin, "/v1/orders", user_id=payee["id"], created_from=cut)
    assert ids(later) == [after["id"]]
    just_before = datetime.datetime.fromisoformat(cut.replace("Z", "+00:00"))
    just_before -= datetime.timedelta(milliseconds=1)
    text = just_before.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    earlier = pages(fq.admin, "/v1/orders", user_id=payee["id"], created_to=text)
    assert ids(earlier) == [before["id"]]
    # An offset names the same moment.
    shifted = just_before.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
    same = pages(fq.admin, "/v1/orders", user_id=payee["id"], created_to=shifted.isoformat())
    assert ids(same) == [before["id"]]


def test_users_by_status(fq: World) -> None:
    user = fq.user()
    fq.act(user, "freeze")
    frozen = expect(fq.admin.get("/v1/users", status="frozen", limit=100))["data"]
    assert user["id"] in ids(frozen) and {one["status"] for one in frozen} == {"frozen"}
    active = expect(fq.admin.get("/v1/users", status="active", limit=100))["data"]
    assert user["id"] not in ids(active)


def test_refunds_and_topups(fq: World) -> None:
    sale = fq.sale(100)
    made = [fq.refund(sale.payment, n)["id"] for n in (1, 2, 3)]
    assert ids(pages(fq.admin, "/v1/refunds", payment_id=sale.payment["id"], limit=2)) == made[::-1]
    assert ids(pages(fq.admin, "/v1/refunds", user_id=sale.payee["id"])) == made[::-1]
    user = fq.payer()
    topups = [fq.topup(user, n)["id"] for n in (1, 2, 3)]
    assert ids(pages(fq.admin, "/v1/topups", user_id=user["id"], limit=2)) == topups[::-1]


def test_an_account_lists_its_entries_newest_first(fq: World) -> None:
    user = fq.payer()
    for amount in (1, 2, 3, 4, 5):
        fq.topup(user, amount)
    account = next(one for one in fq.accounts(user) if one["kind"] == "available")
    entries = pages(fq.admin, f"/v1/accounts/{account['id']}/entries", limit=2)
    assert [entry["amount"] for entry in entries] == [5, 4, 3, 2, 1]
    single = expect(fq.admin.get(f"/v1/accounts/{account['id']}"))
    assert single["balance"] == 15 and single["currency"] == "CNY" and single["user_id"] == user["id"]


def test_entries_of_nothing_are_not_found(fq: World) -> None:
    refused(fq.admin.get("/v1/accounts/acc_0123456789012/entries"), "account_not_found")
    refused(fq.admin.get("/v1/payments/pay_0123456789012/entries"), "payment_not_found")
    refused(fq.admin.get("/v1/users/usr_0123456789012/balances"), "user_not_found")


def test_a_cursor_of_another_list_is_refused(fq: World) -> None:
    sale = fq.sale()
    refused(fq.admin.get("/v1/orders", after=sale.payment["id"]), "invalid_field", "after")
