"""Downloads over TLS: from whoever proves to be the host of the URL, and from nobody else."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from dictograph.errors import AddressNotAllowed, DictographError, FetchError, FetchTimeout
from tests.certificates import Authority, Certificate
from tests.integration.audio.site import Resolver, Site, always, download, says, site

BODY = b"sound" * 1000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The authority, known to whoever downloads as an operator would make it known."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.own.file))
    return authority


def fetched_from(tls: ssl.SSLContext, host: str = "public.example") -> tuple[bytes, Site]:
    async def run() -> tuple[bytes, Site]:
        async with site(always(says("200 OK", body=BODY)), tls) as server:
            allow = f"{host}:{server.port}"
            return (await download(f"https://{allow}/a", allow, resolve=Resolver(["127.0.0.1"])))[1], server

    return asyncio.run(run())


def refusal(certificate: Certificate) -> DictographError:
    with pytest.raises(DictographError) as caught:
        fetched_from(certificate.for_server())
    return caught.value


def test_a_certificate_of_the_host_is_enough_whatever_address_it_has(trusted: Authority) -> None:
    """The connection goes to the checked address; it is the URL's name that the certificate must have."""
    asked: list[str | None] = []
    tls = trusted.sign("public.example").for_server()
    tls.sni_callback = lambda _, name, __: asked.append(name)
    received, server = fetched_from(tls)
    assert received == BODY
    assert asked == ["public.example"]
    assert f"Host: public.example:{server.port}\r\n" in server.requests[0]


def test_an_authority_that_nobody_made_known_is_not_believed(authority: Authority) -> None:
    error = refusal(authority.sign("public.example"))
    assert type(error) is FetchError
    assert "certificate" in error.message
    assert "public.example" in error.message
    assert not error.retryable


def test_a_certificate_that_nobody_vouches_for(trusted: Authority) -> None:
    error = refusal(trusted.self_signed("public.example"))
    assert type(error) is FetchError
    assert "self-signed" in error.message or "self signed" in error.message


def test_a_certificate_of_another_host(trusted: Authority) -> None:
    error = refusal(trusted.sign("other.example"))
    assert type(error) is FetchError
    assert "public.example" in error.message


@pytest.mark.parametrize(("connect", "timeout"), [(0.3, 20.0), (5.0, 0.3)])
def test_a_server_that_is_silent_in_the_handshake_is_left(trusted: Authority, connect: float, timeout: float) -> None:
    """What speaks no TLS waits for the end of a request that never comes. Nothing stays open (a warning would be an
    error here)."""
    del trusted

    async def run() -> DictographError:
        async with site(always(b"")) as server:
            allow = f"public.example:{server.port}"
            name_server = Resolver(["127.0.0.1"])
            with pytest.raises(DictographError) as caught:
                await download(f"https://{allow}/a", allow, resolve=name_server, connect=connect, timeout=timeout)
        return caught.value

    assert type(asyncio.run(run())) is FetchTimeout


@pytest.mark.parametrize("inside", ["http://127.0.0.1:{port}/", "http://public.example:{port}/"])
def test_a_redirect_from_tls_to_plain_http_is_checked_like_any_other(trusted: Authority, inside: str) -> None:
    """Going over to http is no danger to us by itself, who send nothing that is secret; where it leads is."""

    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as plain:
            moved = always(says("302 Found", f"Location: {inside.format(port=plain.port)}"))
            async with site(moved, trusted.sign("public.example").for_server()) as server:
                url, allow = f"https://public.example:{server.port}/", f"public.example:{server.port}"
                with pytest.raises(AddressNotAllowed):
                    await download(url, allow, resolve=Resolver(["127.0.0.1"]))
                assert plain.requests == []
                received = await download(
                    url, allow, "127.0.0.1", f"public.example:{plain.port}", resolve=Resolver(["127.0.0.1"])
                )
                assert received[1] == BODY

    asyncio.run(run())
