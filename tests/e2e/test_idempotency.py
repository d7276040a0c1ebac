"""Asking twice: the same key and request get the same answer, another request under that key is refused."""

from __future__ import annotations

import uuid

import pytest

from client import Client, eventually, expect, pages, refused
from conftest import Deploy
from world import Json, World


def fresh() -> str:
    return uuid.uuid4().hex


def test_the_same_answer_again(fq: World) -> None:
    payer, order = fq.payer(500), fq.order(fq.merchant(), 100)
    body, key = fq.payment_body(order, payer), fresh()
    first = fq.admin.post("/v1/payments", body, key=key)
    expect(first, 201)
    assert not first.replayed
    for _ in range(3):
        again = fq.admin.post("/v1/payments", body, key=key)
        assert again.status == 201 and again.replayed
        assert again.json() == first.json()
    assert fq.balance(payer) == (400, 0, 0)
    assert len(pages(fq.admin, "/v1/payments", order_id=order["id"])) == 1


@pytest.mark.parametrize(
    "resource", ["users", "orders", "orders/cancel", "topups", "refunds", "users/freeze"]
)
def test_every_write_can_be_asked_twice(fq: World, resource: str) -> None:
    path = f"/v1/{resource}"
    body: Json = {}
    if resource == "users":
        body = {"name": "王小明", "email": f"{fresh()}@example.com"}
    elif resource == "orders":
        body = fq.order_body(fq.merchant(), 1)
    elif resource == "orders/cancel":
        path = f"/v1/orders/{fq.order(fq.merchant())['id']}/cancel"
    elif resource == "topups":
        body = {"user_id": fq.payer()["id"], "amount": 5, "currency": "CNY", "method": "sandbox"}
    elif resource == "refunds":
        body = {"payment_id": fq.sale(100).payment["id"], "amount": 5}
    else:
        path = f"/v1/users/{fq.payer()['id']}/freeze"
    key = fresh()
    first, again = (fq.admin.post(path, body, key=key) for _ in range(2))
    assert first.status in (200, 201) and not first.replayed, first
    assert first.status == (200 if "/" in resource else 201), first
    assert again.status == first.status and again.replayed, again
    assert again.json() == first.json()


def test_a_patch_can_be_asked_twice(fq: World) -> None:
    user, key = fq.payer(), fresh()
    path = f"/v1/users/{user['id']}"
    first = fq.admin.patch(path, {"name": "一"}, key=key)
    expect(first)
    expect(fq.admin.patch(path, {"name": "二"}))
    again = fq.admin.patch(path, {"name": "一"}, key=key)
    assert again.replayed and again.json() == first.json()
    assert fq.get(user)["name"] == "二"


def test_the_answer_is_as_it_was_then(fq: World) -> None:
    """A payment since refunded, a capture since refunded, an order since paid."""
    payer, payee = fq.payer(300), fq.merchant()
    order_body, order_key = fq.order_body(payee, 100), fresh()
    order = expect(fq.admin.post("/v1/orders", order_body, key=order_key), 201)
    body, key = fq.payment_body(order, payer), fresh()
    payment = expect(fq.admin.post("/v1/payments", body, key=key), 201)
    fq.refund(payment, 40)
    assert fq.get(payment)["amount_refunded"] == 40
    again = fq.admin.post("/v1/payments", body, key=key)
    assert again.replayed and again.json() == payment and payment["amount_refunded"] == 0
    order_again = fq.admin.post("/v1/orders", order_body, key=order_key)
    assert order_again.replayed and order_again.json() == order and order["status"] == "pending"

    held = fq.order(payee, 100)
    hold_body, hold_key = fq.payment_body(held, payer, capture="manual"), fresh()
    hold = expect(fq.admin.post("/v1/payments", hold_body, key=hold_key), 201)
    capture_key = fresh()
    path = f"/v1/payments/{hold['id']}/capture"
    captured = expect(fq.admin.post(path, {"amount": 60}, key=capture_key))
    fq.refund(hold, 60)
    hold_again = fq.admin.post("/v1/payments", hold_body, key=hold_key)
    assert hold_again.replayed and hold_again.json() == hold and hold["status"] == "authorized"
    capture_again = fq.admin.post(path, {"amount": 60}, key=capture_key)
    assert capture_again.replayed and capture_again.json() == captured


def test_another_request_is_refused_and_says_what_differs(fq: World) -> None:
    payer, payee = fq.payer(500), fq.merchant()
    body, key = fq.payment_body(fq.order(payee, 100), payer), fresh()
    expect(fq.admin.post("/v1/payments", body, key=key), 201)
    other = {**body, "amount": 101, "metadata": {"k": "v"}}
    problem = refused(fq.admin.post("/v1/payments", other, key=key), "idempotency_key_reused")
    assert sorted(problem["differs"]) == ["amount", "metadata"]
    second = {**body, "order_id": fq.order(payee, 100)["id"]}
    problem = refused(fq.admin.post("/v1/payments", second, key=key), "idempotency_key_reused")
    assert problem["differs"] == ["order_id"]
    assert fq.balance(payer) == (400, 0, 0)


def test_another_path_is_another_request(fq: World) -> None:
    sale, other, key = fq.authorized(100), fq.authorized(100), fresh()
    expect(fq.admin.post(f"/v1/payments/{sale.payment['id']}/capture", key=key))
    path = f"/v1/payments/{other.payment['id']}/capture"
    refused(fq.admin.post(path, key=key), "idempotency_key_reused")
    refused(fq.admin.post(f"/v1/payments/{sale.payment['id']}/cancel", key=key), "idempotency_key_reused")
    assert fq.get(other.payment)["status"] == "authorized"


def test_a_reused_key_cancels_no_second_order(fq: World) -> None:
    """Payment closes an order before it is cancelled: not one whose cancelling is refused."""
    payee, payer, key = fq.merchant(), fq.payer(100), fresh()
    first, second = fq.order(payee, 100), fq.order(payee, 100)
    expect(fq.admin.post(f"/v1/orders/{first['id']}/cancel", key=key))
    problem = refused(fq.admin.post(f"/v1/orders/{second['id']}/cancel", key=key), "idempotency_key_reused")
    assert problem["differs"] == ["path"]
    assert fq.get(second)["status"] == "pending"
    fq.pay(second, payer)


def test_a_refusal_is_not_kept(fq: World) -> None:
    payer, order = fq.payer(99), fq.order(fq.merchant(), 100)
    body, key = fq.payment_body(order, payer), fresh()
    refused(fq.admin.post("/v1/payments", body, key=key), "insufficient_balance")
    fq.topup(payer, 1)
    done = fq.admin.post("/v1/payments", body, key=key)
    assert expect(done, 201)["status"] == "succeeded" and not done.replayed


def test_a_key_of_one_caller_is_nothing_to_another(fq: World) -> None:
    other, key = fq.client("admin"), fresh()
    user = fq.payer()
    body = {"user_id": user["id"], "amount": 5, "currency": "CNY", "method": "sandbox"}
    first = fq.admin.post("/v1/topups", body, key=key)
    second = other.post("/v1/topups", body, key=key)
    assert expect(first, 201)["id"] != expect(second, 201)["id"] and not second.replayed
    assert fq.balance(user) == (10, 0, 0)


def test_a_replacing_key_inherits(fq: World) -> None:
    old = fq.client("admin")
    user, key = fq.payer(), fresh()
    body = {"user_id": user["id"], "amount": 5, "currency": "CNY", "method": "sandbox"}
    first = old.post("/v1/topups", body, key=key)
    expect(first, 201)
    heir_id, credentials = fq.deployment.credentials("admin", replaces=old.key_id)
    heir = Client(fq.deployment.url_for, credentials, key_id=heir_id)
    again = heir.post("/v1/topups", body, key=key)
    assert again.replayed and again.json() == first.json()
    grandchild_id, credentials = fq.deployment.credentials("admin", replaces=heir_id)
    grandchild = Client(fq.deployment.url_for, credentials, key_id=grandchild_id)
    assert grandchild.post("/v1/topups", body, key=key).replayed
    refused(grandchild.post("/v1/topups", {**body, "amount": 6}, key=key), "idempotency_key_reused")
    assert fq.balance(user) == (5, 0, 0)


@pytest.mark.parametrize("path", ["payments", "refunds", "topups", "capture", "payments/bulk"])
def test_a_bearer_must_send_a_key_where_money_moves(fq: World, bearer: Client, path: str) -> None:
    url = f"/v1/{path}"
    if path == "capture":
        url = f"/v1/payments/{fq.authorized().payment['id']}/capture"
    refused(bearer.post(url, {}, key=None), "missing_field")


def test_a_signed_write_must_carry_a_key(fq: World) -> None:
    refused(fq.admin.post("/v1/users", {"name": "x"}, key=None), "missing_field")


@pytest.mark.parametrize("key", ["k", "!~" * 127 + "!", '"quoted"'])
def test_keys_are_opaque(fq: World, key: str) -> None:
    key = key if len(key) == 255 else key + fresh()
    body = {"name": "x"}
    first, again = (fq.admin.post("/v1/users", body, key=key) for _ in range(2))
    expect(first, 201)
    assert again.json() == first.json()


@pytest.mark.parametrize("key", ["k" * 256, "with space", "茶"])
def test_bad_keys_are_refused(fq: World, bearer: Client, key: str) -> None:
    refused(bearer.post("/v1/users", {"name": "x"}, key=key), "invalid_field")


def test_across_bulk_the_whole_counts(fq: World) -> None:
    payer, payee = fq.payer(1000), fq.merchant()
    orders = fq.orders(payee, 3, 100)
    body = {"payments": [fq.payment_body(order, payer) for order in orders]}
    body["payments"].append({**fq.payment_body(orders[0], payer), "amount": 7})
    key = fresh()
    first = fq.admin.post("/v1/payments/bulk", body, key=key)
    results = expect(first)["data"]
    assert [one["status"] for one in results] == [201, 201, 201, 422]
    fq.refund(results[0]["body"], 100)
    again = fq.admin.post("/v1/payments/bulk", body, key=key)
    assert again.replayed and again.json()["data"][:3] == results[:3]
    assert again.json()["data"][3]["body"]["code"] == "amount_mismatch"
    less = {"payments": body["payments"][:2]}
    refused(fq.admin.post("/v1/payments/bulk", less, key=key), "idempotency_key_reused")
    single = fq.admin.post("/v1/payments", body["payments"][0], key=key)
    refused(single, "idempotency_key_reused")
    assert fq.balance(payer) == (800, 0, 0)


def test_in_a_bulk_it_counts_where_an_object_ends(fq: World) -> None:
    payer, order, key = fq.payer(1000), fq.order(fq.merchant(), 100), fresh()
    within = fq.payment_body(order, payer, metadata={"a": "1", "reference": "R"})
    beside = fq.payment_body(order, payer, metadata={"a": "1"}, reference="R")
    expect(fq.admin.post("/v1/payments/bulk", {"payments": [within]}, key=key))
    answer = fq.admin.post("/v1/payments/bulk", {"payments": [beside]}, key=key)
    refused(answer, "idempotency_key_reused")


def test_a_key_is_forgotten_after_its_time(deploy: Deploy) -> None:
    """Records age by the business clock; what is older than 30 days is looked for at each start."""
    own = deploy()
    fq = World(own)
    merchant, key = fq.merchant(), fresh()
    expect(fq.admin.post("/v1/orders", fq.order_body(merchant, 1), key=key), 201)
    own.stop()
    own.start()
    refused(fq.admin.post("/v1/orders", fq.order_body(merchant, 2), key=key), "idempotency_key_reused")
    own.advance_clock(31 * 24 * 3600)
    own.stop()
    own.start()
    made = eventually(
        lambda: fq.admin.post("/v1/orders", fq.order_body(merchant, 2), key=key),
        lambda answer: answer.status == 201,
    )
    assert not made.replayed and made.json()["amount"] == 2
