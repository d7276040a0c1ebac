"""Every fault that a request's fields can have, with the code and the field that the answer names."""

from __future__ import annotations

from typing import Any

import pytest

from client import expect, refused
from world import Json, World

GONE = object()  # leave the field out

METADATA = [
    ({f"k{n}": "v" for n in range(21)}, "invalid_field"),
    ({"k" * 41: "v"}, "invalid_field"),
    ({"k": "v" * 501}, "invalid_field"),
    ({"k": 1}, "invalid_field"),
    ({"k": None}, "invalid_field"),
    ({"k": {"a": "b"}}, "invalid_field"),
    ([], "invalid_field"),
    ("text", "invalid_field"),
]
AMOUNT = [
    (GONE, "missing_field"),
    (0, "amount_not_positive"),
    (-1, "amount_not_positive"),
    (-(2**53), "amount_not_positive"),
    (2**53, "invalid_field"),
    (19.99, "invalid_field"),
    (1.0, "invalid_field"),
    ("1999", "invalid_field"),
    (None, "invalid_field"),
    (True, "invalid_field"),
    ([1999], "invalid_field"),
]
CURRENCY = [
    (GONE, "missing_field"),
    ("cny", "invalid_field"),
    ("CN", "invalid_field"),
    ("CNYY", "invalid_field"),
    ("ZZZ", "invalid_field"),
    ("", "invalid_field"),
    (156, "invalid_field"),
    (None, "invalid_field"),
]
REFERENCE = [
    ("", "invalid_field"),
    ("r" * 65, "invalid_field"),
    ("with space", "invalid_field"),
    ("茶", "invalid_field"),
    ("tab\t", "invalid_field"),
    (7, "invalid_field"),
]


def an_id(prefix: str, other: str) -> list[tuple[Any, str]]:
    return [
        (GONE, "missing_field"),
        ("", "invalid_field"),
        (f"{prefix}_012345678901", "invalid_field"),  # too short
        (f"{prefix}_01234567890123", "invalid_field"),  # too long
        (f"{prefix}_8123456789012", "invalid_field"),  # more than 63 bits
        (f"{prefix}_012345678901I", "invalid_field"),  # not of the alphabet
        (f"{prefix}_012345678901z", "invalid_field"),  # lower case
        (f"{prefix.upper()}_0123456789012", "invalid_field"),
        (f"{other}_0123456789012", "invalid_field"),  # of another resource
        ("0123456789012", "invalid_field"),
        (7, "invalid_field"),
        (None, "invalid_field"),
    ]


def faults(path: str, field: str, cases: list[tuple[Any, str]]) -> list[Any]:
    return [
        pytest.param(path, field, value, code, id=f"{path}-{field}-{number}")
        for number, (value, code) in enumerate(cases)
    ]


NAME = [(GONE, "missing_field"), ("", "invalid_field"), (7, "invalid_field"), (None, "invalid_field")]
TEXT = [(7, "invalid_field"), ([], "invalid_field")]
CASES = [
    *faults("users", "name", NAME),
    *faults("users", "email", [(x, "invalid_field") for x in ("", "no-at", "@x.example", "a@", "a b@x.example", 7)]),
    *faults("users", "phone", [(x, "invalid_field") for x in ("", "abc", "+", "+" + "1" * 40, 13800138000)]),
    *faults("users", "password", [("short", "invalid_field"), (7, "invalid_field")]),
    *faults("users", "roles", [("payer", "invalid_field"), (["admin"], "invalid_field"), ([7], "invalid_field")]),
    *faults("users", "locale", [("not a locale", "invalid_field"), (7, "invalid_field")]),
    *faults("users", "metadata", METADATA),
    *faults("users", "nmae", [("x", "unknown_field")]),
    *faults("users", "status", [("frozen", "unknown_field")]),
    *faults("users", "id", [("usr_0123456789012", "unknown_field")]),
    *faults("orders", "payee_id", an_id("usr", "ord")),
    *faults("orders", "payer_id", an_id("usr", "ord")[1:-1]),
    *faults("orders", "amount", AMOUNT),
    *faults("orders", "currency", CURRENCY),
    *faults("orders", "description", [(GONE, "missing_field"), *TEXT]),
    *faults("orders", "reference", REFERENCE),
    *faults("orders", "expires_in", [(x, "invalid_field") for x in (0, -1, "60", 1.5)]),
    *faults("orders", "return_url", [(x, "invalid_field") for x in ("", "shop", "javascript:alert(1)", 7)]),
    *faults("orders", "items", [("tea", "invalid_field"), ({}, "invalid_field"), ([7], "invalid_field")]),
    *faults("orders", "metadata", METADATA),
    *faults("orders", "amout", [(1, "unknown_field")]),
    *faults("orders", "status", [("paid", "unknown_field")]),
    *faults("payments", "order_id", an_id("ord", "usr")),
    *faults("payments", "user_id", an_id("usr", "ord")),
    *faults("payments", "amount", AMOUNT),
    *faults("payments", "currency", CURRENCY),
    *faults("payments", "method", [(GONE, "missing_field"), ("cash", "invalid_field"), (7, "invalid_field")]),
    *faults("payments", "capture", [("later", "invalid_field"), (True, "invalid_field")]),
    *faults("payments", "reference", REFERENCE),
    *faults("payments", "metadata", METADATA),
    *faults("payments", "fee", [(0, "unknown_field")]),
    *faults("refunds", "payment_id", an_id("pay", "ref")),
    *faults("refunds", "amount", AMOUNT[1:-3] + AMOUNT[-2:]),
    *faults("refunds", "reason", TEXT),
    *faults("refunds", "reference", REFERENCE),
    *faults("refunds", "metadata", METADATA),
    *faults("refunds", "currency", [("CNY", "unknown_field")]),
    *faults("topups", "user_id", an_id("usr", "top")),
    *faults("topups", "amount", AMOUNT),
    *faults("topups", "currency", CURRENCY),
    *faults("topups", "method", [(GONE, "missing_field"), ("cash", "invalid_field"), ("balance", "invalid_field")]),
    *faults("topups", "reference", REFERENCE),
    *faults("topups", "order_id", [("ord_0123456789012", "unknown_field")]),
]  # fmt: skip

RIGHT: dict[str, Json] = {
    "users": {"name": "王小明"},
    "orders": {
        "payee_id": "usr_0123456789012", "amount": 1999, "currency": "CNY", "description": "茶",
    },
    "payments": {
        "order_id": "ord_0123456789012", "user_id": "usr_0123456789012", "amount": 1999,
        "currency": "CNY", "method": "balance",
    },
    "refunds": {"payment_id": "pay_0123456789012", "amount": 1},
    "topups": {
        "user_id": "usr_0123456789012", "amount": 1999, "currency": "CNY", "method": "sandbox",
    },
}  # fmt: skip


@pytest.mark.parametrize("path, field, value, code", CASES)
def test_a_fault_is_named(fq: World, path: str, field: str, value: Any, code: str) -> None:
    body = {**RIGHT[path], field: value}
    if value is GONE:
        del body[field]
    problem = refused(fq.admin.post(f"/v1/{path}", body), code)
    assert problem["param"].partition("[")[0] == field  # a list's element is named as "items[0]"


@pytest.mark.parametrize("path", sorted(RIGHT))
def test_of_several_faults_the_first_in_order_is_named(fq: World, path: str) -> None:
    """Malformed, unknown, missing, invalid, not positive: each step mends the fault before."""
    url = f"/v1/{path}"
    refused(fq.admin.post(url, b'{"amout": 1, "amount": 0'), "malformed_json")
    body: Json = {**RIGHT[path], "metadata" if path != "topups" else "reference": 7, "amout": 1}
    missing = {"users": "name", "orders": "payee_id", "payments": "order_id"}.get(path)
    missing = missing or {"refunds": "payment_id", "topups": "user_id"}[path]
    given = body.pop(missing)
    if "amount" in body:
        body["amount"] = 0
    refused(fq.admin.post(url, body), "unknown_field", "amout")
    del body["amout"]
    refused(fq.admin.post(url, body), "missing_field", missing)
    body[missing] = given
    refused(fq.admin.post(url, body), "invalid_field")
    body.pop("metadata", None)
    body.pop("reference", None)
    if "amount" in body:
        refused(fq.admin.post(url, body), "amount_not_positive", "amount")


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"name": "茶", "quantity": 1},
        {"name": "茶", "quantity": 0, "unit_amount": 1},
        {"name": "茶", "quantity": 1.5, "unit_amount": 1},
        {"name": "茶", "quantity": 1, "unit_amount": "1"},
        {"name": 7, "quantity": 1, "unit_amount": 1},
        {"name": "茶", "quantity": 1, "unit_amount": 1, "colour": "green"},
    ],
)
def test_an_orders_items_are_checked(fq: World, item: Json) -> None:
    code = "invalid_field"
    if "colour" in item:
        code = "unknown_field"
    elif len(item) < 3:
        code = "missing_field"
    refused(fq.admin.post("/v1/orders", {**RIGHT["orders"], "items": [item]}), code)


def test_limits_themselves_are_allowed(fq: World) -> None:
    metadata = {f"{n:02d}" + "k" * 38: "值" * 500 for n in range(20)}
    user = fq.user("payer", metadata=metadata)
    assert user["metadata"] == metadata
    order = fq.order(fq.merchant(), 1, reference="r" * 64)
    assert order["reference"] == "r" * 64


@pytest.mark.parametrize("value, code", AMOUNT[1:])
def test_a_capture_checks_its_amount(fq: World, value: Any, code: str) -> None:
    payment = "/v1/payments/pay_0123456789012/capture"
    refused(fq.admin.post(payment, {"amount": value}), code, "amount")


def test_actions_take_an_empty_object_or_nothing(fq: World) -> None:
    user = fq.user()
    path = f"/v1/users/{user['id']}"
    refused(fq.admin.post(f"{path}/freeze", {"why": "x"}), "unknown_field", "why")
    assert expect(fq.admin.post(f"{path}/freeze", {}))["status"] == "frozen"
    assert expect(fq.admin.post(f"{path}/unfreeze"))["status"] == "active"
    refused(fq.admin.post(f"{path}/freeze", []), "malformed_json")


PATCHES = [
    ("nmae", "x", "unknown_field"),
    ("status", "frozen", "unknown_field"),
    ("id", "usr_0123456789012", "unknown_field"),
    ("name", "", "invalid_field"),
    ("email", "no-at", "invalid_field"),
    ("roles", ["king"], "invalid_field"),
    ("metadata", {"k": 1}, "invalid_field"),
    ("password", "short", "invalid_field"),
]


@pytest.mark.parametrize("field, value, code", PATCHES)
def test_a_patch_checks_its_fields(fq: World, field: str, value: Any, code: str) -> None:
    user = fq.user()
    refused(fq.admin.patch(f"/v1/users/{user['id']}", {field: value}), code, field)
    assert fq.get(user) == user


RESOURCES = {
    "users": ("usr", "user_not_found"),
    "orders": ("ord", "order_not_found"),
    "payments": ("pay", "payment_not_found"),
    "refunds": ("ref", "refund_not_found"),
    "topups": ("top", "topup_not_found"),
    "accounts": ("acc", "account_not_found"),
    "events": ("evt", "event_not_found"),
}


@pytest.mark.parametrize("path", sorted(RESOURCES))
def test_a_malformed_id_in_the_path_is_not_found(fq: World, path: str) -> None:
    prefix, code = RESOURCES[path]
    for bad in (
        f"{prefix}_0123456789012",  # well-formed, but nobody's
        f"{prefix}_012345678901",
        f"{prefix}_8123456789012",
        f"{prefix}_012345678901a",
        f"{prefix.upper()}_0123456789012",
        "xxx_0123456789012",
        "7",
        "0",
        "%27%20OR%201=1",
    ):
        refused(fq.admin.get(f"/v1/{path}/{bad}"), code)


LISTS = ["users", "orders", "payments", "refunds", "topups", "accounts"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "parameter, value",
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", ""),
        ("limit", "1e1"),
        ("after", "nonsense"),
        ("after", ""),
        ("limt", "10"),
        ("order", "asc"),
    ],
)
def test_a_lists_parameters_are_checked(fq: World, path: str, parameter: str, value: str) -> None:
    refused(fq.admin.get(f"/v1/{path}", **{parameter: value}), "invalid_field", parameter)


@pytest.mark.parametrize(
    "path, parameter, value",
    [
        ("users", "status", "happy"),
        ("orders", "status", "happy"),
        ("payments", "status", "happy"),
        ("payments", "user_id", "usr_1"),
        ("payments", "order_id", "ord_1"),
        ("orders", "reference", "r" * 65),
        ("orders", "created_from", "yesterday"),
        ("orders", "created_to", "2026-13-01T00:00:00Z"),
        ("payments", "created_from", "1700000000"),
    ],
)
def test_a_lists_filters_are_checked(fq: World, path: str, parameter: str, value: str) -> None:
    refused(fq.admin.get(f"/v1/{path}", **{parameter: value}), "invalid_field", parameter)


def test_a_single_read_takes_no_unknown_parameter(fq: World) -> None:
    user = fq.user()
    refused(fq.admin.get(f"/v1/users/{user['id']}", expand="x"), "invalid_field", "expand")


def test_the_reserved_version_header(fq: World) -> None:
    right = fq.admin.request("GET", "/v1/users", headers=[("Feiqian-Version", "2026-11-01")])
    expect(right)
    wrong = fq.admin.request("GET", "/v1/users", headers=[("Feiqian-Version", "2020-01-01")])
    refused(wrong, "invalid_field")
