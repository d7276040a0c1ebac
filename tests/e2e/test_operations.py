"""What an operator sees: health, metrics, logs, settings, exit codes, TLS, the data's own safety catches."""

from __future__ import annotations

import configparser
import datetime
import http.client
import json
import re
import signal
import socket
import ssl
from pathlib import Path

import pytest

import names
from client import Client, ask_raw, eventually, expect, refused
from conftest import Deploy
from feiqian import ROOT, Kind, Server, command
from postgres import free_port
from signing import Request, SigningKey
from world import World

NOBODY = "fq_nobody"


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status == 200, answer
    return answer.body.decode()


def test_health_and_readiness(fq: World) -> None:
    nobody = fq.deployment.anonymous()
    for server in fq.deployment.servers.values():
        nobody.url_for = lambda path, url=server.url: url  # type: ignore[misc]
        for path in ("/healthz", "/readyz"):
            assert nobody.get(path).status == 200


SAMPLE = re.compile(r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="(\\.|[^"\\])*",?)*\})? [0-9eE.+-]+(Inf|NaN)?$')


def test_metrics_are_prometheus_text(fq: World) -> None:
    fq.sale()
    expect(fq.admin.get("/v1/payments"))
    answer = fq.deployment.anonymous().get("/metrics")
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    lines = answer.body.decode().splitlines()
    for line in lines:
        assert line.startswith("# ") or SAMPLE.match(line), line
    shown = "\n".join(lines)
    for name in (
        "http_server_request_duration_seconds_bucket", "http_server_active_requests",
        "feiqian_payments_total", "feiqian_writer_batch_size", "feiqian_writer_queue_length",
        "feiqian_writer_commit_duration_seconds", "feiqian_ledger_imbalance", "feiqian_build_info",
        "process_",
    ):  # fmt: skip
        assert name in shown, name
    assert 'http_route="/v1/payments"' in shown
    identifier = re.search(r"\b(usr|ord|pay|key)_[0-9A-Z]{13}\b", shown)
    assert identifier is None, "an id as a label grows without bound"


def counter(shown: str, name: str) -> float:
    values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", shown, re.MULTILINE)
    return sum(float(value) for value in values)


def test_metrics_count_payments(fq: World) -> None:
    nobody = fq.deployment.anonymous()
    before = counter(text(nobody, "/metrics"), "feiqian_payments_total")
    for _ in range(3):
        fq.sale()
    assert counter(text(nobody, "/metrics"), "feiqian_payments_total") == before + 3


def test_the_contract_is_served_as_it_stands(fq: World) -> None:
    for path in ("/v1/users", "/v1/orders", "/v1/payments"):
        url = fq.deployment.url_for(path)
        nobody = Client(lambda path, url=url: url, fq.deployment.anonymous().credentials)  # type: ignore[misc]
        assert text(nobody, "/v1/openapi.yaml") == (ROOT / "api" / "openapi.yaml").read_text("utf-8")


def test_a_log_line_is_one_json_object(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    fq.sale()
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = [("Request-Id", "find-me-in-the-log"), ("traceparent", f"00-{trace}-b7ad6b7169203331-01")]
    refused(fq.admin.request("GET", "/v1/users/usr_0123456789012", headers=headers), "user_not_found")
    own.stop()
    lines = [line for log in own.folder.glob("*.log") for line in log.read_text().splitlines()]
    assert lines
    records = [json.loads(line) for line in lines]
    for record in records:
        assert {"time", "level", "msg"} <= record.keys(), record
        assert record["level"] in ("error", "warn", "info", "debug")


def test_the_sandbox_clock_stays_where_ids_reach(deploy: Deploy) -> None:
    """An id holds its time in 41 bits; past them no row could ever be made again."""
    own = deploy()
    world = World(own)
    decade = {"advance_s": 10 * 366 * 86400}
    answers = [world.admin.post(names.CLOCK, decade) for _ in range(8)]
    assert [answer.status for answer in answers[:3]] == [200] * 3, answers
    problem = refused(answers[-1], "invalid_field")
    assert problem["param"] == "advance_s" and "2070" in problem["detail"]
    assert world.user()["status"] == "active"
    own.stop()


def test_metrics_on_a_port_of_their_own(deploy: Deploy) -> None:
    port = free_port()
    own = deploy(start=False)
    if own.kind.shape == "split":
        pytest.skip("the same setting for each process")
    own.environment[names.ADMIN_LISTEN] = f"127.0.0.1:{port}"
    own.start()
    nobody = own.anonymous()
    assert nobody.get("/metrics").status == 404
    elsewhere = Client(lambda path: f"http://127.0.0.1:{port}", nobody.credentials)
    assert elsewhere.get("/metrics").status == 200 and elsewhere.get("/healthz").status == 200
    assert elsewhere.get("/v1/users").status == 404
    own.stop()


def test_a_configured_origin_is_what_is_signed(deploy: Deploy) -> None:
    own = deploy(environment={names.ORIGIN: "https://pay.example"})
    client = own.client("read")
    refused(client.get("/v1/payments"), "signature_invalid")  # signed for 127.0.0.1
    bearer = own.client("read", "bearer")
    expect(bearer.get("/v1/payments"))
    # HTTPS's own port may stand in Host; it is no other server's.
    url = own.url_for("/v1/payments")
    for host, right in (("pay.example", True), ("PAY.example:443", True), ("pay.example:80", False)):
        asked = Request("GET", "/v1/payments", "pay.example")
        sent = Request("GET", "/v1/payments", host, client.credentials.headers(asked))
        answer = ask_raw(url, sent.raw())
        if right:
            expect(answer)
        else:
            refused(answer, "signature_invalid")
    own.stop()


# Settings.


def test_print_config_is_whole_and_hides_secrets(binary: Path) -> None:
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
    done = command("serve", "--print-config", environment={"FEIQIAN_CRYPTO_MASTER_KEY": secret})
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    parsed = configparser.ConfigParser(inline_comment_prefixes=None)
    parsed.read_string(done.stdout)
    assert {"server", "payment", "crypto", "store"} <= set(parsed.sections())
    comments = [line for line in done.stdout.splitlines() if line.startswith((";", "#"))]
    assert len(comments) >= 10


def test_an_unknown_setting_names_the_nearest(binary: Path, tmp_path: Path) -> None:
    file = tmp_path / "feiqian.ini"
    file.write_text("[server]\nlistn = 127.0.0.1:0\n")
    done = command("serve", "--config", file, "--data", tmp_path / "data")
    assert done.returncode == 2 and "listen" in done.stderr, (done.returncode, done.stderr)


def test_a_bad_value_names_setting_and_value(binary: Path, tmp_path: Path) -> None:
    environment = {"FEIQIAN_STORE_QUEUE_MAX": "many"}
    done = command("serve", "--data", tmp_path / "data", environment=environment)
    assert done.returncode == 2 and "queue_max" in done.stderr and "many" in done.stderr


def test_the_environment_beats_the_file(binary: Path, tmp_path: Path) -> None:
    file = tmp_path / "feiqian.ini"
    file.write_text("[log]\nlevel = warn\n\n[store]\nreader_threads = 3\n")
    environment = {"FEIQIAN_LOG_LEVEL": "debug"}
    done = command("serve", "--config", file, "--print-config", environment=environment)
    parsed = configparser.ConfigParser()
    parsed.read_string(done.stdout)
    assert parsed["log"]["level"] == "debug" and parsed["store"]["reader_threads"] == "3"


# Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 could not reach or open, 4 refused by the server.


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["serve", "--nonsense"], ["keys"], ["keys", "nonsense"], ["ledger"],
        ["serve", "--mode", "play"], ["serve", "--listen", "nowhere"], ["serve", "--services", "user,shop"],
    ],
)  # fmt: skip
def test_wrong_usage_is_2(binary: Path, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, (done.returncode, done.stdout)


def test_what_cannot_be_opened_is_3(binary: Path, tmp_path: Path) -> None:
    nobody = f"postgresql://{NOBODY}@127.0.0.1:{free_port()}/feiqian"
    for where in (str(tmp_path / "nothing" / "here"), nobody):
        for words in (["ledger", "verify"], ["keys", "list"]):
            done = command(*words, "--data", where)
            assert done.returncode == 3 and done.stderr, (where, words, done.returncode, done.stdout)


def test_a_taken_port_is_3_and_named(binary: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("serve", "--data", tmp_path / "data", "--listen", address, timeout=20)
    assert done.returncode == 3 and address in done.stderr, (done.returncode, done.stderr)


def test_one_process_opens_a_data_folder(deploy: Deploy) -> None:
    own = deploy()
    if own.kind.store == "sqlite":
        done = command("serve", "--data", own.data("payment"), "--listen", "127.0.0.1:0", timeout=20)
        assert done.returncode == 3 and "ready" not in done.stdout, (done.returncode, done.stderr)
    World(own).sale()
    own.stop()


def test_the_mode_is_stamped_into_the_data(deploy: Deploy) -> None:
    own = deploy()
    own.stop()
    where = own.data("payment")
    arguments = ["serve", "--data", where, "--listen", "127.0.0.1:0", "--mode", "live"]
    if own.kind.shape == "split":
        arguments += ["--services", "payment"]
    others = dict.fromkeys(names.SERVICE_URLS.values(), "http://127.0.0.1:1")
    done = command(*arguments, environment={**own.environment, **others}, timeout=30)
    assert done.returncode != 0 and "ready" not in done.stdout
    assert "sandbox" in done.stderr and "live" in done.stderr
    own.start()
    own.stop()


def test_a_database_that_may_lose_commits_is_refused(kind: Kind, binary: Path, tmp_path: Path) -> None:
    from postgres import Postgres

    if kind.store != "postgres":
        pytest.skip("a setting of PostgreSQL")
    careless = Postgres(fsync="off")
    try:
        careless.start()
        done = command("serve", "--data", careless.new_url(), "--listen", "127.0.0.1:0", timeout=30)
        assert done.returncode == 3 and "fsync" in done.stderr, (done.returncode, done.stderr)
    finally:
        careless.remove()


# TLS.


def certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    key = SigningKey.generate("ecdsa-p256-sha256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key.secret, hashes.SHA256())
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(key.private_pem())
    return chain, private


def test_tls(binary: Path, tmp_path: Path) -> None:
    chain, private = certificate(tmp_path)
    environment = {names.TLS_CERTIFICATE: str(chain), names.TLS_PRIVATE_KEY: str(private)}
    server = Server(
        ["--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"], environment, tmp_path / "log"
    )
    try:
        server.wait_ready()
        assert server.url.startswith("https://")
        port = int(server.url.rpartition(":")[2])
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(chain))
            context.minimum_version = context.maximum_version = version
            connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
        # The oldest that is still spoken is 1.2: a hello that offers 1.1 alone is refused.
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                old.wrap_socket(plain).close()
        server.stop()
    finally:
        server.kill()


def test_sighup_takes_over_certificate_and_log_level(binary: Path, tmp_path: Path) -> None:
    chain, private = certificate(tmp_path)
    settings = tmp_path / "feiqian.conf"
    settings.write_text("[log]\nlevel = error\n")
    environment = {names.TLS_CERTIFICATE: str(chain), names.TLS_PRIVATE_KEY: str(private)}
    arguments = ["--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--config", str(settings)]
    server = Server(arguments, environment, tmp_path / "log")
    try:
        server.wait_ready()
        port = int(server.url.rpartition(":")[2])
        before = ssl.get_server_certificate(("127.0.0.1", port))
        certificate(tmp_path)
        settings.write_text("[log]\nlevel = info\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: ssl.get_server_certificate(("127.0.0.1", port)), lambda shown: shown != before)
        assert ssl.get_server_certificate(("127.0.0.1", port)) == chain.read_text()
        eventually(lambda: '"name":"level"' in server.output())
        server.stop()
    finally:
        server.kill()


# A first start.


def test_a_first_start_makes_all_it_needs(binary: Path, tmp_path: Path) -> None:
    """One command, an empty folder: databases, master key, migrations; a second start finds them."""
    data = tmp_path / "var"
    for _ in range(2):
        server = Server(["--data", str(data), "--listen", "127.0.0.1:0"], {}, tmp_path / "log")
        try:
            server.wait_ready()
            server.stop()
        finally:
            server.kill()
    assert {"user.db", "order.db", "payment.db"} <= {path.name for path in data.iterdir()}
    assert (data / "master.key").stat().st_mode & 0o077 == 0


def test_a_master_key_that_others_can_read_is_refused(binary: Path, tmp_path: Path) -> None:
    key = tmp_path / "master.key"
    key.write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=\n")
    key.chmod(0o644)
    done = command(
        "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0",
        environment={names.MASTER_KEY_FILE: str(key)}, timeout=20,
    )  # fmt: skip
    assert done.returncode == 3 and "ready" not in done.stdout, (done.returncode, done.stderr)


def test_demo_plays_the_first_hour(binary: Path) -> None:
    done = command("demo", timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout and "refunded" in done.stdout


def test_demo_and_bench_against_a_running_server(deploy: Deploy, tmp_path: Path) -> None:
    own = deploy()
    if own.kind.shape != "one":
        pytest.skip(
            "both speak to one address; a gateway in front of split services is not part of these tests"
        )
    key = tmp_path / "key.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(own.make_key("admin", "hmac-sha256")))
    at = ("--url", own.url_for("/"), "--key", key)
    plain, coloured = (command("demo", *at, "--color", when, timeout=60) for when in ("auto", "always"))
    assert plain.returncode == coloured.returncode == 0, plain.stderr + coloured.stderr
    assert "refunded" in plain.stdout and "\x1b[" not in plain.stdout and "\x1b[" in coloured.stdout
    done = command("bench", *at, "--payments", "500", "--wallets", "50", "--connections", "8",
                   "--warmup", "0", "--verify", "--output", "json", timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["payments"] == 500 and run["errors"] == 0 and run["server_cpu_seconds"] > 0
    own.check_ledger()
    own.stop()


def test_data_keys_are_rotated_beside_a_running_server(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    user = fq.user(email="before@example.com")
    done = own.cli(*names.ROTATE_DATA)
    assert done.returncode == 0, done.stderr
    assert fq.get(user)["email"] == "before@example.com"
    later = fq.user(email="after@example.com")
    own.restart()
    assert fq.get(user)["email"] == "before@example.com"
    assert fq.get(later)["email"] == "after@example.com"
    own.stop()


def test_split_services_refuse_foreign_internal_calls(deploy: Deploy) -> None:
    """Calls between services are signed with the service key: nobody else's word counts there."""
    own = deploy(start=False)
    if own.kind.shape != "split":
        pytest.skip("one process makes no such calls")
    own.start()
    nobody = own.anonymous()
    for service in names.SERVICES:
        url = own.servers[service].url
        nobody.url_for = lambda path, url=url: url  # type: ignore[misc]
        answer = nobody.post(f"/internal/{service}/events", {})
        assert answer.status in (401, 404), answer
    admin = own.client("admin")
    eventually(lambda: admin.get("/v1/users").status, lambda status: status == 200)
    own.stop()
