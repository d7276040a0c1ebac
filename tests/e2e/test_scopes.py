"""What each key may see and do: what it may not see is 404, what it may see but not do is 403."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from client import Client, expect, pages, refused
from world import Sale, World


@dataclass(frozen=True)
class Cast:
    """Two sales that have nothing to do with each other, and keys of the first one's people."""

    mine: Sale
    other: Sale
    payer: Client
    merchant: Client
    reader: Client


@pytest.fixture(scope="module")
def cast(fq: World) -> Cast:
    mine, other = fq.sale(1000), fq.sale(1000)
    return Cast(
        mine,
        other,
        fq.client(f"payer:{mine.payer['id']}"),
        fq.client(f"merchant:{mine.payee['id']}"),
        fq.client("read"),
    )


@pytest.mark.parametrize("who", ["payer", "merchant"])
def test_they_see_their_own(cast: Cast, who: str) -> None:
    client: Client = getattr(cast, who)
    own = cast.mine.payer if who == "payer" else cast.mine.payee
    assert expect(client.get(f"/v1/orders/{cast.mine.order['id']}"))["id"] == cast.mine.order["id"]
    assert expect(client.get(f"/v1/payments/{cast.mine.payment['id']}"))["status"] == "succeeded"
    assert expect(client.get(f"/v1/payments/{cast.mine.payment['id']}/entries"))["data"]
    assert expect(client.get(f"/v1/users/{own['id']}"))["id"] == own["id"]
    assert expect(client.get(f"/v1/users/{own['id']}/balances"))
    payments = pages(client, "/v1/payments")
    assert [one["id"] for one in payments] == [cast.mine.payment["id"]]


@pytest.mark.parametrize("who", ["payer", "merchant"])
def test_they_do_not_see_others(cast: Cast, who: str) -> None:
    client: Client = getattr(cast, who)
    other = cast.other
    refused(client.get(f"/v1/payments/{other.payment['id']}"), "payment_not_found")
    refused(client.get(f"/v1/payments/{other.payment['id']}/entries"), "payment_not_found")
    refused(client.get(f"/v1/orders/{other.order['id']}"), "order_not_found")
    for user in (other.payer, other.payee):
        refused(client.get(f"/v1/users/{user['id']}"), "user_not_found")
        refused(client.get(f"/v1/users/{user['id']}/balances"), "user_not_found")
    refused(client.post(f"/v1/payments/{other.payment['id']}/capture"), "payment_not_found")
    refused(client.post("/v1/refunds", {"payment_id": other.payment["id"]}), "payment_not_found")
    ids = {one["id"] for one in pages(client, "/v1/payments", user_id=other.payer["id"])}
    assert not ids


def test_they_do_not_see_others_accounts(fq: World, cast: Cast) -> None:
    account = fq.accounts(cast.other.payer)[0]
    own = pages(cast.payer, "/v1/accounts")
    assert own and {one["user_id"] for one in own} == {cast.mine.payer["id"]}
    refused(cast.payer.get(f"/v1/accounts/{account['id']}"), "account_not_found")
    refused(cast.merchant.get(f"/v1/accounts/{account['id']}/entries"), "account_not_found")
    assert expect(cast.reader.get(f"/v1/accounts/{account['id']}"))["id"] == account["id"]


def test_the_house_is_no_user(fq: World, cast: Cast) -> None:
    """Its accounts are kept under the first ids, which no user ever gets."""
    for number in range(1, 8):
        house = f"usr_{number:013}"
        refused(cast.reader.get(f"/v1/users/{house}/balances"), "user_not_found")
        assert pages(cast.reader, "/v1/accounts", user_id=house) == []


def test_a_reader_sees_all_and_does_nothing(fq: World, cast: Cast) -> None:
    reader = cast.reader
    for sale in (cast.mine, cast.other):
        assert expect(reader.get(f"/v1/payments/{sale.payment['id']}"))["id"] == sale.payment["id"]
        assert expect(reader.get(f"/v1/users/{sale.payer['id']}"))["id"] == sale.payer["id"]
    payer, order = fq.payer(1999), fq.order(fq.merchant())
    refused(reader.post("/v1/users", {"name": "x"}), "not_allowed")
    refused(reader.patch(f"/v1/users/{payer['id']}", {"name": "x"}), "not_allowed")
    refused(reader.post(f"/v1/users/{payer['id']}/freeze"), "not_allowed")
    refused(reader.post("/v1/orders", fq.order_body(cast.mine.payee)), "not_allowed")
    refused(reader.post(f"/v1/orders/{order['id']}/cancel"), "not_allowed")
    refused(fq.try_pay(order, payer, reader), "not_allowed")
    refused(reader.post("/v1/refunds", {"payment_id": cast.mine.payment["id"]}), "not_allowed")
    topup = {"user_id": payer["id"], "amount": 1, "currency": "CNY", "method": "sandbox"}
    refused(reader.post("/v1/topups", topup), "not_allowed")
    held = fq.authorized()
    for verb in ("capture", "cancel"):
        refused(reader.post(f"/v1/payments/{held.payment['id']}/{verb}"), "not_allowed")


def test_a_merchants_key(fq: World) -> None:
    payee, payer = fq.user(balance=100), fq.payer(5000)
    own = fq.client(f"merchant:{payee['id']}")
    order = expect(own.post("/v1/orders", fq.order_body(payee, 100)), 201)
    assert [one["id"] for one in pages(own, "/v1/orders")] == [order["id"]]
    assert expect(own.post(f"/v1/orders/{order['id']}/cancel"))["status"] == "cancelled"
    # It captures and refunds, but neither tops up nor freezes nor cancels an authorisation.
    held = fq.pay(fq.order(payee, 100), payer, capture="manual")
    refused(own.post(f"/v1/payments/{held['id']}/cancel"), "not_allowed")
    assert expect(own.post(f"/v1/payments/{held['id']}/capture"))["status"] == "succeeded"
    refund = expect(own.post("/v1/refunds", {"payment_id": held["id"], "amount": 1}), 201)
    assert expect(own.get(f"/v1/refunds/{refund['id']}")) == refund
    topup = {"user_id": payee["id"], "amount": 1, "currency": "CNY", "method": "sandbox"}
    refused(own.post("/v1/topups", topup), "not_allowed")
    refused(own.post(f"/v1/users/{payee['id']}/freeze"), "not_allowed")
    # Not even its own wallet is debited by it: that takes the payer's key.
    elsewhere = fq.order(payee, 100)
    refused(fq.try_pay(elsewhere, payee, own), "not_allowed")
    # For another payee it makes no order: that user it does not see.
    refused(own.post("/v1/orders", fq.order_body(fq.merchant())), "user_not_found")
    refused(own.post("/v1/users", {"name": "x"}), "not_allowed")


def test_a_payers_key(fq: World) -> None:
    payer, stranger, payee = fq.payer(1000), fq.payer(1000), fq.merchant()
    own = fq.client(f"payer:{payer['id']}")
    open_order, named = fq.order(payee, 100), fq.order(payee, 100, payer_id=payer["id"])
    foreign = fq.order(payee, 100, payer_id=stranger["id"])
    for order in (open_order, named):
        assert expect(own.get(f"/v1/orders/{order['id']}"))["id"] == order["id"]
        assert fq.pay(order, payer, own)["status"] == "succeeded"
    refused(own.get(f"/v1/orders/{foreign['id']}"), "order_not_found")
    refused(fq.try_pay(foreign, payer, own), "order_not_found")
    # What was everybody's to see is not any more when somebody has paid it.
    paid = fq.order(payee, 100)
    refused(own.post(f"/v1/orders/{paid['id']}/cancel"), "not_allowed")
    fq.pay(paid, stranger)
    refused(own.get(f"/v1/orders/{paid['id']}"), "order_not_found")
    refused(own.post(f"/v1/orders/{paid['id']}/cancel"), "order_not_found")
    # Nobody debits a wallet that is not his.
    refused(fq.try_pay(fq.order(payee, 100), stranger, own), "user_not_found")
    assert fq.balance(stranger) == (900, 0, 0)
    # It cancels its authorisations, but does not capture, refund or cancel the order.
    order = fq.order(payee, 100)
    held = fq.pay(order, payer, own, capture="manual")
    refused(own.post(f"/v1/payments/{held['id']}/capture"), "not_allowed")
    assert expect(own.post(f"/v1/payments/{held['id']}/cancel"))["status"] == "cancelled"
    refused(own.post(f"/v1/orders/{order['id']}/cancel"), "not_allowed")
    paid = fq.pay(order, payer, own)
    refused(own.post("/v1/refunds", {"payment_id": paid["id"]}), "not_allowed")
    topup = {"user_id": payer["id"], "amount": 1, "currency": "CNY", "method": "sandbox"}
    refused(own.post("/v1/topups", topup), "not_allowed")
    refused(own.post(f"/v1/users/{payer['id']}/freeze"), "not_allowed")
    refused(own.post("/v1/users", {"name": "x"}), "not_allowed")
    refused(own.patch(f"/v1/users/{payer['id']}", {"roles": ["payer", "merchant"]}), "not_allowed")
    refused(own.post("/v1/orders", fq.order_body(payee)), "user_not_found")


def test_lists_show_only_what_may_be_seen(fq: World, cast: Cast) -> None:
    assert {one["id"] for one in pages(cast.merchant, "/v1/users")} <= {cast.mine.payee["id"]}
    orders = {one["id"] for one in pages(cast.merchant, "/v1/orders")}
    assert orders == {cast.mine.order["id"]}
    refunds = pages(cast.merchant, "/v1/refunds")
    assert all(one["payment_id"] == cast.mine.payment["id"] for one in refunds)


def test_a_page_does_not_tell_how_much_others_have(fq: World) -> None:
    """A page looks at 2,000 rows: where it ends among others' rows, `next` would name one of them."""
    payee, payer = fq.merchant(), fq.payer(3000)
    for _ in range(3):
        orders = fq.orders(payee, 1000, 1)
        body = {"payments": [fq.payment_body(order, payer) for order in orders]}
        expect(fq.admin.post("/v1/payments/bulk", body))
    nothing = {"object": "list", "data": [], "has_more": False, "next": None}
    own, bystander = fq.client(f"payer:{payer['id']}"), fq.client(f"payer:{fq.payer(1)['id']}")
    assert len(pages(own, "/v1/payments", user_id=payee["id"], limit=100)) == 3000
    for client in (bystander, fq.client(f"merchant:{fq.merchant()['id']}")):
        for user in (payer, payee):
            assert expect(client.get("/v1/payments", user_id=user["id"])) == nothing
            assert expect(client.get("/v1/orders", user_id=user["id"])) == nothing
        assert expect(client.get("/v1/orders", payee_id=payee["id"])) == nothing


def test_personal_fields_are_masked_for_readers(fq: World, cast: Cast) -> None:
    email, phone = "wang.xiaoming@example.com", "+8613800138000"
    user = fq.user(email=email, phone=phone)
    assert user["email"] == email and user["phone"] == phone
    shown = expect(cast.reader.get(f"/v1/users/{user['id']}"))
    assert shown["email"] and shown["phone"]
    assert "xiaoming" not in shown["email"] and "*" in shown["email"]
    assert "1380013" not in shown["phone"] and "*" in shown["phone"]
    listed = expect(cast.reader.get("/v1/users", limit=1))["data"][0]
    assert listed["email"] == shown["email"] and listed["phone"] == shown["phone"]
