"""The command line: help on every level, exit codes, completions, man pages; sign and verify against the vectors."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from feiqian import command, vectors

SIGNED = vectors("signed-requests")["cases"]
KEYS = {key["keyid"]: key for key in vectors("rfc9421")["keys"]}
NONCE_ONLY_THE_SERVER_KNOWS = {"nonce-again"}
ALGORITHMS = ("hmac-sha256", "ecdsa-p256-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256", "ed25519")


def names_of_commands() -> list[list[str]]:
    """Every command, as help itself lists them."""
    found = []
    for line in command("--help").stdout.split("Commands\n", 1)[1].split("\n\n")[0].splitlines():
        word = line.split()[0]
        text = command("help", word).stdout
        if "\nFlags\n" in text:
            found.append([word])
        else:
            verbs = text.split("Commands\n", 1)[1].splitlines()
            found += [[word, verb.split()[0]] for verb in verbs if verb.startswith("  ") and verb[2] != " "]
    return found


# -- help --------------------------------------------------------------------------------------------------


def test_every_command_has_help_in_both_languages_and_two_examples() -> None:
    commands = names_of_commands()
    assert ["verify"] in commands and ["config", "show"] in commands
    for words in commands:
        english = command(*words, "--help", environment={"LC_ALL": "C.UTF-8"})
        chinese = command(*words, "--help", environment={"LC_ALL": "zh_CN.UTF-8"})
        assert english.returncode == chinese.returncode == 0
        assert english.stdout.startswith(command("help", *words).stdout.split(".")[0])
        assert english.stdout.split("\nExamples\n")[1].count("  # ") == 2, words
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.stdout), words
        assert max(map(len, english.stdout.split("\nExamples\n")[0].splitlines())) <= 100, words


def test_no_command_is_wrong_usage() -> None:
    done = command()
    assert done.returncode == 2 and not done.stdout and "Usage: feiqian" in done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["verfy"], "did you mean 'verify'?"),
        (["config", "shwo"], "did you mean 'show'?"),
        (["version", "--outptu", "json"], "did you mean --output?"),
        (["nothing-like-it"], "feiqian --help"),
        (["--output", "json"], "behind the command"),
        (["version", "--output", "yaml"], "table|json"),
        (["version", "--output"], "needs a value"),
        (["version", "-o", "json", "--output=table"], "twice"),
        (["version", "--help=yes"], "takes no value"),
        (["version", "more"], "one word too many"),
        (["completion"], "SHELL is required"),
        (["completion", "tcsh"], "bash|zsh|fish"),
        (["verify"], "--algorithm is required"),
        (["verify", "--algorithm", "ed25519", "--secret-file", "x"], "--public-key"),
        (["sign", "--url", "ftp://x/", "--key-id", "k"], "http://"),
        (["sign", "--url", "http://x/", "--created", "soon"], "a number from"),
        (["config", "show", "--log-levle", "debug"], "--log-levle"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_mend(words: list[str], hint: str) -> None:
    done = command(*words, environment={"LC_ALL": "C.UTF-8"})
    assert done.returncode == 2 and hint in done.stderr and not done.stdout


def test_a_file_that_cannot_be_opened_exits_3() -> None:
    done = command("verify", "--algorithm", "hmac-sha256", "--secret-file", "/nonexistent")
    assert done.returncode == 3 and "/nonexistent" in done.stderr


def test_version_for_programs() -> None:
    told = json.loads(command("version", "--output", "json").stdout)
    assert command("version").stdout.startswith(f"feiqian {told['version']} ")
    assert command("--version").stdout == command("version").stdout


# -- configuration -----------------------------------------------------------------------------------------


def test_config_show_is_a_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "feiqian.conf"
    file.write_text(command("config", "show").stdout)
    assert command("config", "check", "--config", file).returncode == 0


def test_flag_wins_over_environment_wins_over_file(tmp_path: Path) -> None:
    file = tmp_path / "feiqian.conf"
    file.write_text("[log]\nlevel = error\nformat = json\n[store]\nqueue_max = 99\n")
    environment = {"FEIQIAN_CONFIG": str(file), "FEIQIAN_LOG_LEVEL": "warn", "FEIQIAN_STORE_QUEUE_MAX": "98"}
    words = ["config", "show", "--store-queue-max", "97", "--output", "json"]
    shown = json.loads(command(*words, environment=environment).stdout)
    assert [shown[name]["value"] for name in ("log.format", "log.level", "store.queue_max")] == [
        "json",
        "warn",
        "97",
    ]
    assert shown["log.level"]["origin"] == "FEIQIAN_LOG_LEVEL"
    assert shown["store.queue_max"]["origin"] == "--store-queue-max"


def test_config_check_names_the_nearest_setting(tmp_path: Path) -> None:
    file = tmp_path / "feiqian.conf"
    file.write_text("[log]\nlevle = debug\n")
    done = command("config", "check", "--config", file, "--output", "json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["valid"] is False
    assert "levle" in told["detail"] and "level" in told["detail"]


# -- completions and man pages -----------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_scripts_of_their_shell(shell: str, tmp_path: Path) -> None:
    script = tmp_path / f"feiqian.{shell}"
    script.write_text(command("completion", shell).stdout)
    assert shutil.which(shell), f"{shell} is not installed (scripts/install test)"
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ver"], {"verify", "version"}),
        (["config", ""], {"check", "show", "--help"}),
        (["version", "--outp"], {"--output"}),
        (["version", "--output", ""], {"table", "json"}),
        (["completion", "f"], {"fish"}),
        (["verify", "--algorithm", "rsa"], {"rsa-pss-sha512", "rsa-v1_5-sha256"}),
    ],
)
def test_bash_completes(typed: list[str], offered: set[str]) -> None:
    words = " ".join(f"'{word}'" for word in ["feiqian", *typed])
    program = f'COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _feiqian; printf "%s\\n" "${{COMPREPLY[@]}}"'
    script = command("completion", "bash").stdout + program
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


def test_man_pages_are_sound(tmp_path: Path) -> None:
    assert command("man", tmp_path).returncode == 0
    pages = sorted(tmp_path.glob("man?/*"))
    wanted = {f"feiqian-{'-'.join(words)}.1" for words in names_of_commands()} | {
        "feiqian.1",
        "feiqian.conf.5",
    }
    assert {page.name for page in pages} == wanted
    linted = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True, check=False
    )
    # A page without a date is byte-equal in every build; links to pages of this project cannot be resolved here.
    wrong = [
        line
        for line in linted.stdout.splitlines()
        if "missing date" not in line and "referenced manual" not in line
    ]
    assert not wrong, "\n".join(wrong)
    assert "FEIQIAN_LOG_LEVEL" in pages[wanted_index(pages, "feiqian.1")].read_text().replace("\\-", "-")


def wanted_index(pages: list[Path], name: str) -> int:
    return [page.name for page in pages].index(name)


# -- verify and sign ---------------------------------------------------------------------------------------


def key_flags(folder: Path, keyid: str, algorithm: str, half: str) -> list[str | Path]:
    """Flags that give a key of the vectors to `verify` (half "public") or `sign` (half "private")."""
    if algorithm == "hmac-sha256":
        file = folder / "secret"
        file.write_text(KEYS["test-shared-secret"]["secret_base64"] + "\n")
        return ["--secret-file", file]
    file = folder / f"{half}.pem"
    file.write_text(KEYS[keyid]["public_pem" if half == "public" else "private_pem_pkcs8"])
    return [f"--{half}-key", file]


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case["id"])
def test_verify_judges_the_vectors(case: dict[str, Any], tmp_path: Path) -> None:
    known = case["keyid"] if case["keyid"] in KEYS else "test-shared-secret"
    done = command(
        "verify", "--algorithm", case["alg_of_key"], *key_flags(tmp_path, known, case["alg_of_key"], "public"),
        "--key-id", known, "--now", str(case["now"]), "--origin", "https://pay.example", given=case["request"],
    )  # fmt: skip
    told = json.loads(done.stdout)
    valid = case["expect"] == "valid" or case["id"] in NONCE_ONLY_THE_SERVER_KNOWS
    assert told["valid"] is valid and done.returncode == (0 if valid else 1), told
    assert set(told) == {"valid", "code", "detail", "signature_base"}
    if valid:
        assert told["code"] is None
    else:
        assert told["code"] in {case["code"], case.get("code_also"), "bad_request"}, told
        assert told["code"] != "bad_request" or case.get("status_also") == 400
        assert told["detail"]
    if "base" in case:
        assert told["signature_base"] == case["base"]


@pytest.mark.parametrize(
    "raw", ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\n\r\n"]
)
def test_verify_refuses_what_is_no_request(raw: str, tmp_path: Path) -> None:
    key = key_flags(tmp_path, "", "hmac-sha256", "public")
    done = command("verify", "--algorithm", "hmac-sha256", *key, given=raw)
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["code"] == "bad_request" and told["signature_base"] is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("body", ["", '{"name":"王芳"}\n'], ids=["read", "write"])
def test_what_sign_makes_verify_accepts(algorithm: str, body: str, tmp_path: Path) -> None:
    keyid = next(
        (name for name, key in KEYS.items() if algorithm in key["algorithms"] and "private_pem_pkcs8" in key),
        "",
    )
    flags = ["--algorithm", algorithm, *key_flags(tmp_path, keyid, algorithm, "private")]
    url = "http://127.0.0.1:8080/v1/users?limit=2"
    request = [
        "--url",
        url,
        "--as",
        "request",
        "--key-id",
        "key_7ZZZZZZZZZZZZ",
        *(["--body", "-"] if body else []),
    ]
    signed = command("sign", *flags, *request, given=body)
    assert signed.returncode == 0, signed.stderr
    raw = signed.stdout
    verdict = ["verify", "--algorithm", algorithm, *key_flags(tmp_path, keyid, algorithm, "public")]
    assert command(*verdict, given=raw).returncode == 0
    broken = raw.replace("limit=2", "limit=3")
    assert json.loads(command(*verdict, given=broken).stdout)["code"] == "signature_invalid"


def test_sign_takes_what_keys_create_printed(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    secret = base64.b64encode(bytes(range(32))).decode()
    key.write_text(
        json.dumps(
            {"id": "key_7ZZZZZZZZZZZZ", "algorithm": "hmac-sha256", "scope": "admin", "secret": secret}
        )
    )
    words = ["sign", "--key", key, "--url", "http://a.example/v1/users/usr_1/freeze", "--method", "POST"]
    printed = command(*words, "--idempotency-key", "once", "--nonce", "n-1", "--created", "1767225600").stdout
    fields = dict(line.split(": ", 1) for line in printed.splitlines())
    assert set(fields) == {"Idempotency-Key", "Signature-Input", "Signature"}
    assert (
        'keyid="key_7ZZZZZZZZZZZZ"' in fields["Signature-Input"]
        and 'nonce="n-1"' in fields["Signature-Input"]
    )
    again = command(
        *words, "--idempotency-key", "once", "--nonce", "n-1", "--created", "1767225600", "-o", "json"
    )
    assert json.loads(again.stdout)["headers"] == fields
