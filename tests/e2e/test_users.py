"""Users: what they hold, their states, their passwords, and changes under If-Match."""

from __future__ import annotations

import random
from typing import Any

import pytest

from client import eventually, expect, pages, refused, together
from feiqian import vectors
from world import World

PASSWORD = "一二三四五六七八九十甲乙丙丁戊"


def test_patch_changes_what_it_names(fq: World) -> None:
    user = fq.user(email="a@example.com", metadata={"a": "1"}, locale="zh-CN")
    path = f"/v1/users/{user['id']}"
    changed = expect(fq.admin.patch(path, {"name": "王大明", "metadata": {"b": "2"}}))
    assert changed["name"] == "王大明" and changed["metadata"] == {"b": "2"}
    assert changed["email"] == "a@example.com" and changed["locale"] == "zh-CN"
    assert changed["version"] > user["version"] and changed["created_at"] == user["created_at"]
    assert fq.get(user) == changed


def test_if_match_is_honoured(fq: World) -> None:
    user = fq.user()
    path = f"/v1/users/{user['id']}"
    tag = fq.admin.get(path).header("ETag") or ""
    first = fq.admin.patch(path, {"name": "一"}, headers=[("If-Match", tag)])
    assert expect(first)["name"] == "一" and first.header("ETag") != tag
    refused(fq.admin.patch(path, {"name": "二"}, headers=[("If-Match", tag)]), "precondition_failed")
    assert fq.get(user)["name"] == "一"
    expect(fq.admin.patch(path, {"name": "三"}, headers=[("If-Match", first.header("ETag") or "")]))


def test_of_two_changes_under_one_version_one_wins(fq: World) -> None:
    user = fq.user()
    path = f"/v1/users/{user['id']}"
    tag = [("If-Match", fq.admin.get(path).header("ETag") or "")]
    answers = together(10, lambda n: fq.admin.patch(path, {"name": f"n{n}"}, headers=tag))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9


def test_a_user_is_found_by_email_and_by_phone(fq: World) -> None:
    """By what is encrypted at rest: a blind index finds it."""
    number = random.SystemRandom().randrange(10**8)
    email, phone = f"find.me.{number}@example.com", f"+86139{number:08d}"
    user = fq.user(email=email, phone=phone)
    for query in ({"email": email}, {"phone": phone}, {"email": email.upper()}):
        assert [one["id"] for one in pages(fq.admin, "/v1/users", **query)] == [user["id"]], query
    assert pages(fq.admin, "/v1/users", email="nobody@example.com") == []
    expect(fq.admin.patch(f"/v1/users/{user['id']}", {"email": f"other.{number}@example.com"}))
    assert pages(fq.admin, "/v1/users", email=email) == []


def test_freeze_and_unfreeze(fq: World) -> None:
    user = fq.user()
    assert fq.act(user, "freeze")["status"] == "frozen"
    assert fq.get(user)["status"] == "frozen"
    assert fq.act(user, "unfreeze")["status"] == "active"
    refused(fq.admin.post("/v1/users/usr_0123456789012/freeze"), "user_not_found")


def test_a_user_without_money_can_be_closed(fq: World) -> None:
    user = fq.user()
    assert fq.act(user, "close")["status"] == "closed"
    for verb in ("freeze", "unfreeze"):
        refused(fq.admin.post(f"/v1/users/{user['id']}/{verb}"), "state_conflict")


def test_a_user_with_money_cannot_be_closed(fq: World) -> None:
    user = fq.payer(1)
    refused(fq.admin.post(f"/v1/users/{user['id']}/close"), "state_conflict")
    held = fq.authorized(5)
    refused(fq.admin.post(f"/v1/users/{held.payer['id']}/close"), "state_conflict")
    fq.pay(fq.order(fq.merchant(), 1), user)
    eventually(lambda: fq.admin.post(f"/v1/users/{user['id']}/close").status, lambda s: s == 200)


def test_a_closed_user_neither_pays_nor_is_paid(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(100)
    order = fq.order(payee, 100)
    fq.act(payee, "close")
    assert 400 <= fq.try_pay(order, payer).status < 500  # the contract names no code for it
    assert fq.balance(payer) == (100, 0, 0) and fq.get(order)["status"] == "pending"


def verdict(fq: World, user: dict[str, Any], password: str) -> bool:
    path = f"/v1/users/{user['id']}/verify_password"
    valid: bool = expect(fq.admin.post(path, {"password": password}))["valid"]
    assert isinstance(valid, bool)
    return valid


def test_passwords(fq: World) -> None:
    user = fq.user(password=PASSWORD)
    assert "password" not in user and PASSWORD not in str(user)
    assert verdict(fq, user, PASSWORD)
    for wrong in (PASSWORD[:-1] + "己", PASSWORD + " ", PASSWORD[::-1]):
        assert not verdict(fq, user, wrong)
    assert not verdict(fq, fq.user(), PASSWORD)  # one without a password
    expect(fq.admin.patch(f"/v1/users/{user['id']}", {"password": "correct horse battery"}))
    assert verdict(fq, user, "correct horse battery") and not verdict(fq, user, PASSWORD)


@pytest.mark.parametrize("case", vectors("passwords")["policy"], ids=lambda case: case["why"][:30])
def test_password_policy(fq: World, case: dict[str, Any]) -> None:
    answer = fq.admin.post("/v1/users", {"name": "x", "password": case["password"]})
    if case["expect"] == "accept":
        expect(answer, 201)
    elif "\0" in case["password"]:
        refused(answer, "malformed_json")  # no NUL in any string that is stored
    else:
        refused(answer, "invalid_field", "password")


@pytest.mark.parametrize("case", vectors("passwords")["normalisation"], ids=lambda case: case["why"][:20])
def test_password_spellings_that_are_the_same(fq: World, case: dict[str, Any]) -> None:
    assert verdict(fq, fq.user(password=case["enrolled"]), case["given"])


def test_a_rush_of_logins_keeps_nobody_else_waiting(fq: World) -> None:
    """Lists, and whose key a request was signed with, are looked up while passwords are hashed."""
    user, done = fq.user(password=PASSWORD), []
    path = f"/v1/users/{user['id']}/verify_password"
    logins = 40

    def work(n: int) -> None:
        if n < logins:
            done.append(fq.admin.post(path, {"password": PASSWORD}).status)
            return
        eventually(lambda: len(done), lambda count: count >= 2)  # the rush has begun
        stranger = fq.client("read")
        expect(stranger.get("/v1/users", limit=1))
        assert len(done) < logins / 2, "it waited for the logins"

    together(logins + 1, work)
    assert set(done) <= {200, 503} and len(done) == logins


def test_many_verifications_at_once(fq: World) -> None:
    """argon2 costs 64 MiB each: more at once than the limit are told so or wait, none goes wrong."""
    user = fq.user(password=PASSWORD)
    path = f"/v1/users/{user['id']}/verify_password"
    answers = together(12, lambda _: fq.admin.post(path, {"password": PASSWORD}))
    for answer in answers:
        if answer.status == 503:
            refused(answer, "unavailable")
            assert answer.header("Retry-After")
        else:
            assert expect(answer)["valid"] is True
    assert any(answer.status == 200 for answer in answers)
