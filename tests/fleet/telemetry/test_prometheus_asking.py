"""Asking Prometheus: what can go wrong is one sentence, and a token goes to the server and nowhere else."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from stub_prometheus import Reply, stub, vector_body

from fleet.errors import EndpointError
from fleet.inventory import Prometheus
from fleet.telemetry.prometheus import asking
from fleet.telemetry.prometheus.asking import ask

SECRET = "s3cret-token"
ONE = vector_body([{"metric": {"__name__": "up"}, "value": [1.0, "1"]}])


def good(_: str) -> Reply:
    return 200, ONE


async def refusal(server: Prometheus, **environment: str) -> str:
    with pytest.raises(EndpointError) as raised:
        await ask(server, "up", 5, environment)
    return str(raised.value)


async def test_a_query_is_asked_under_the_servers_own_path() -> None:
    async with stub(good) as serving:
        found = await ask(Prometheus(f"{serving.url}/monitoring"), 'up{job=~"a|b"}', 5, {})
    assert [sample.value for sample in found.samples] == [1.0]
    assert serving.heads[0].startswith("GET /monitoring/api/v1/query?query=up%7Bjob%3D~%22a%7Cb%22%7D HTTP/1.1\r\n")
    assert "authorization" not in serving.heads[0].lower()


async def test_a_token_is_sent_from_where_the_fleet_file_says(tmp_path: Path) -> None:
    path = tmp_path / "token"
    async with stub(good) as serving:
        await ask(Prometheus(serving.url, token_env="PROM"), "up", 5, {"PROM": SECRET})
        for token in ("first", "rotated"):
            path.write_text(f"{token}\n")
            await ask(Prometheus(serving.url, token_file=path), "up", 5, {})
    sent = [line for head in serving.heads for line in head.split("\r\n") if line.startswith("Authorization")]
    assert sent == [f"Authorization: Bearer {token}" for token in (SECRET, "first", "rotated")]


async def test_no_sentence_holds_a_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "token"
    replies: list[Reply] = [(401, b"no"), (400, b'{"status":"error","error":"no"}'), (500, b"no"), None]
    said = []
    async with stub(good) as serving:
        for reply in replies:
            serving.reply = lambda _, reply=reply: reply  # type: ignore[misc]
            said.append(await refusal(Prometheus(serving.url, token_env="PROM"), PROM=SECRET))
    for broken in (f"{SECRET}\r\nX-Evil: 1", f"{SECRET} and more", f"{SECRET}\x00"):
        path.write_text(broken)
        said.append(await refusal(Prometheus("http://127.0.0.1:9", token_file=path)))
    said.append(await refusal(Prometheus("http://127.0.0.1:9", token_file=tmp_path / "none")))
    said.append(await refusal(Prometheus("http://127.0.0.1:9", token_env="PROM")))
    assert not [sentence for sentence in said if SECRET in sentence]
    assert said[-1] == "The environment variable PROM holds no bearer token for Prometheus."
    assert said[-2] == f"Prometheus' token cannot be read from {tmp_path}/none: No such file or directory."
    assert SECRET not in caplog.text


async def test_a_server_that_is_down_or_silent_is_told() -> None:
    async with stub(lambda _: None) as serving:
        url = serving.url
        assert "closed the connection without an answer" in await refusal(Prometheus(url))
    assert await refusal(Prometheus(url)) == f"Prometheus at {url} is not reached: Connection refused."
    for name in ("prometheus.invalid", "a..b", "x" * 70):
        assert "is not reached" in await refusal(Prometheus(f"http://{name}:9090"))


async def test_a_server_that_does_not_answer_in_time_is_left() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(EndpointError, match=r"did not answer within 0\.1 s"):
            await ask(Prometheus(url), "up", 0.1, {})


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BODY_LIMIT", 1 << 20)
    async with stub(lambda _: (200, b" " * (2 << 20))) as serving:
        assert "answers with more than 1 MiB" in await refusal(Prometheus(serving.url))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that its own key has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("trusted", [True, False])
async def test_https_goes_by_the_systems_trust(
    trusted: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with stub(good, tls) as serving:
        server = Prometheus(serving.url, token_env="PROM")
        if trusted:
            assert (await ask(server, "up", 5, {"PROM": SECRET})).samples
        else:
            assert "shows a certificate that is not trusted: self" in await refusal(server, PROM=SECRET)
            assert not serving.heads, "a token is not sent to whom it is not known"
