"""`title` and `detail` follow Accept-Language; `code` never does."""

from __future__ import annotations

import pytest

from client import refused
from world import World

CHINESE = [
    "zh-CN", "zh", "zh-cn", "zh-Hans-CN", "fr, zh-CN;q=0.9, en;q=0.1", "en;q=0.5,zh-CN;q=0.8",
]  # fmt: skip
ENGLISH = ["en", "en-GB", "fr", "*", "zh-CN;q=0, en", "en, zh-CN;q=0.9", "", ";;q=,,"]


@pytest.mark.parametrize("language", CHINESE)
def test_chinese(fq: World, language: str) -> None:
    answer = fq.admin.speaking(language).get("/v1/users/usr_0123456789012")
    problem = refused(answer, "user_not_found")
    assert problem["title"] == "用户不存在"
    assert (answer.header("Content-Language") or "zh-CN").startswith("zh")


@pytest.mark.parametrize("language", ENGLISH)
def test_english(fq: World, language: str) -> None:
    problem = refused(fq.admin.speaking(language).get("/v1/users/usr_0123456789012"), "user_not_found")
    assert problem["title"] == "User not found"


def test_english_is_the_default(fq: World) -> None:
    assert refused(fq.admin.get("/v1/users/usr_0123456789012"), "user_not_found")["title"].isascii()


def test_every_item_of_a_bulk_too(fq: World) -> None:
    body = {"payments": [{"amout": 1}]}
    answer = fq.admin.speaking("zh-CN").post("/v1/payments/bulk", body)
    assert answer.json()["data"][0]["body"]["title"] == "未知字段"


def test_before_the_signature_too(fq: World) -> None:
    nobody = fq.deployment.anonymous().speaking("zh-CN")
    assert refused(nobody.get("/v1/users"), "signature_missing")["title"] == "缺少签名"
    assert refused(nobody.get("/v1/nothing"), "route_not_found")["title"] == "路径不存在"
