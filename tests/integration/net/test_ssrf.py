"""Requests forged to be made from inside: every address and trick goes through the real download, and none gets out.

What counts is not the answer but the call: canaries listen on loopback, and every `connect` of the process is
written down. So a trick that ends in an error only after it has called somebody is found as well.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from dictograph.errors import AddressNotAllowed, DictographError, FetchError
from dictograph.net.fetch import FetchLimits
from tests.integration.audio.site import Resolver, always, download, says, site

SECRET = b"what only this machine may read"

#: URLs that lead inside by themselves; `{port}` is where the canaries listen.
DIRECT = {
    "loopback": "http://127.0.0.1:{port}/",
    "loopback over TLS": "https://127.0.0.1:{port}/",
    "the rest of loopback": "http://127.8.8.8:{port}/",
    "the end of loopback": "http://127.255.255.254:{port}/",
    "an integer": "http://2130706433:{port}/",
    "an integer with a dot behind it": "http://2130706433.:{port}/",
    "an integer that overflows": "http://4294967297:{port}/",
    "hexadecimal": "http://0x7f000001:{port}/",
    "hexadecimal in capitals": "http://0X7F000001:{port}/",
    "hexadecimal octets": "http://0x7f.0x0.0x0.0x1:{port}/",
    "octal": "http://017700000001:{port}/",
    "octal octets": "http://0177.0.0.1:{port}/",
    "octal with zeros before it": "http://0000177.0.0.01:{port}/",
    "mixed bases": "http://0x7f.0.0.01:{port}/",
    "two parts": "http://127.1:{port}/",
    "three parts": "http://127.0.1:{port}/",
    "one part": "http://127:{port}/",
    "zero": "http://0:{port}/",
    "five parts": "http://127.0.0.1.1:{port}/",
    "a dot behind it": "http://127.0.0.1.:{port}/",
    "two dots behind it": "http://127.0.0.1..:{port}/",
    "circled digits": "http://①②⑦.⓪.⓪.①:{port}/",
    "fullwidth digits": "http://１２７.０.０.１:{port}/",
    "fullwidth digits, few parts": "http://１２７.１:{port}/",
    "ideographic full stops": "http://127。0。0。1:{port}/",
    "halfwidth full stops": "http://127｡0｡0｡1:{port}/",
    "superscript digits": "http://¹²⁷.⁰.⁰.¹:{port}/",
    "mathematical letters": "http://𝓵𝓸𝓬𝓪𝓵𝓱𝓸𝓼𝓽:{port}/",
    "letters in circles": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "a soft hyphen": "http://local\u00adhost:{port}/",
    "a space of no width": "http://127.0.0.1\u200b:{port}/",
    "percent signs in the host": "http://%31%32%37.0.0.1:{port}/",
    "localhost": "http://localhost:{port}/",
    "localhost with a dot": "http://localhost.:{port}/",
    "localhost in capitals": "http://LOCALHOST:{port}/",
    "unspecified": "http://0.0.0.0:{port}/",
    "this network": "http://0.1.2.3:{port}/",
    "broadcast": "http://255.255.255.255:{port}/",
    "multicast": "http://224.0.0.1:{port}/",
    "multicast of an organisation": "http://239.255.255.250:{port}/",
    "reserved": "http://240.0.0.1:{port}/",
    "private 10": "http://10.0.0.1:{port}/",
    "private 172": "http://172.31.255.255:{port}/",
    "private 192": "http://192.168.0.1:{port}/",
    "shared with a carrier": "http://100.64.0.1:{port}/",
    "protocol assignments": "http://192.0.0.8:{port}/",
    "metadata: Oracle, at protocol assignments": "http://192.0.0.192/opc/v2/instance/",
    "benchmarks": "http://198.18.0.1:{port}/",
    "documentation 1": "http://192.0.2.1:{port}/",
    "documentation 2": "http://198.51.100.1:{port}/",
    "documentation 3": "http://203.0.113.1:{port}/",
    "relays of 6to4": "http://192.88.99.1:{port}/",
    "link-local": "http://169.254.1.1:{port}/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata as an integer": "http://2852039166/latest/meta-data/",
    "metadata in hexadecimal": "http://0xa9fea9fe/latest/meta-data/",
    "metadata in octal": "http://0251.0376.0251.0376/latest/meta-data/",
    "metadata of containers": "http://169.254.170.2/v2/credentials/",
    "metadata: Alibaba": "http://100.100.100.200/latest/meta-data/",
    "metadata over IPv6": "http://[fd00:ec2::254]/latest/meta-data/",
    "metadata, mapped": "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "metadata, NAT64": "http://[64:ff9b::a9fe:a9fe]/latest/meta-data/",
    "loopback of IPv6": "http://[::1]:{port}/",
    "loopback of IPv6 over TLS": "https://[::1]:{port}/",
    "loopback of IPv6, written out": "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "unspecified of IPv6": "http://[::]:{port}/",
    "mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "mapped, in hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "mapped, written out": "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "mapped, octal": "http://[::ffff:0177.0.0.1]:{port}/",
    "translated": "http://[::ffff:0:7f00:1]:{port}/",
    "compatible": "http://[::127.0.0.1]:{port}/",
    "compatible, private": "http://[::10.0.0.1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "6to4, private": "http://[2002:a00:1::1]:{port}/",
    "NAT64": "http://[64:ff9b::7f00:1]:{port}/",
    "NAT64 of one's own": "http://[64:ff9b:1::7f00:1]:{port}/",
    "Teredo": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{port}/",
    "unique local": "http://[fc00::1]:{port}/",
    "link-local of IPv6": "http://[fe80::1]:{port}/",
    "link-local with a zone": "http://[fe80::1%25lo]:{port}/",
    "loopback with a zone": "http://[::1%25lo]:{port}/",
    "site-local": "http://[fec0::1]:{port}/",
    "multicast of IPv6": "http://[ff02::1]:{port}/",
    "discard-only": "http://[100::1]:{port}/",
    "documentation of IPv6": "http://[2001:db8::1]:{port}/",
    "segment routing": "http://[5f00::1]:{port}/",
    "brackets around IPv4": "http://[127.0.0.1]:{port}/",
    "brackets that do not close": "http://[::1:{port}/",
    "an address of the future": "http://[v1.7f000001]:{port}/",
    "a good host as the user": "http://example.org@127.0.0.1:{port}/",
    "a good host and port as the user": "http://example.org:80@127.0.0.1:{port}/",
    "two users": "http://a@example.org@127.0.0.1:{port}/",
    "no name before the @": "http://@127.0.0.1:{port}/",
    "a good host behind the fragment": "http://127.0.0.1:{port}#@example.org/",
    "a good host behind the query": "http://127.0.0.1:{port}?@example.org/",
    "a good host behind a semicolon": "http://127.0.0.1:{port};@example.org/",
    "a backslash before the @": "http://127.0.0.1:{port}\\@example.org/",
    "a backslash before the host": "http:\\\\127.0.0.1:{port}/",
    "three slashes": "http:///127.0.0.1:{port}/",
    "no slashes": "http:127.0.0.1:{port}/",
    "a tab in the host": "http://127.0\t.0.1:{port}/",
    "a newline in the scheme": "ht\ntp://127.0.0.1:{port}/",
    "a header behind the path": "http://127.0.0.1:{port}/ HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET /",
    "a NUL in the host": "http://127.0.0.1\0.example.org:{port}/",
    "a space before it": " http://127.0.0.1:{port}/",
    "port 0": "http://127.0.0.1:0/",
    "a port out of range": "http://127.0.0.1:65616/",
    "a port with a sign": "http://127.0.0.1:+80/",
    "no scheme": "//127.0.0.1:{port}/",
    "file": "file:///etc/passwd",
    "file on a host": "file://127.0.0.1/etc/passwd",
    "file in capitals": "FILE:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_GET%20/",
    "ftp": "ftp://127.0.0.1:{port}/a.mp3",
    "tftp": "tftp://127.0.0.1:{port}/a.mp3",
    "dict": "dict://127.0.0.1:{port}/info",
    "ldap": "ldap://127.0.0.1:{port}/",
    "jar": "jar:http://127.0.0.1:{port}/a.jar!/",
    "data": "data:audio/wav;base64,UklGRg==",
    "javascript": "javascript:fetch('http://127.0.0.1:{port}/')",
    "WebSocket": "ws://127.0.0.1:{port}/",
    "WebSocket over TLS": "wss://127.0.0.1:{port}/",
    "FFmpeg's concat": "concat:http://127.0.0.1:{port}/a|http://127.0.0.1:{port}/b",
    "FFmpeg's crypto": "crypto+http://127.0.0.1:{port}/",
    "a socket of the system": "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
}

#: What a name server may say of an innocent name.
ANSWERS = {
    "a name for loopback": ["127.0.0.1"],
    "a name for loopback of IPv6": ["::1"],
    "a name for metadata, as metadata.google.internal": ["169.254.169.254"],
    "a name for what is unspecified": ["0.0.0.0"],
    "a name for a mapped address": ["::ffff:127.0.0.1"],
    "a name for a private address": ["192.168.1.10"],
    "public first, loopback last": ["93.184.216.34", "127.0.0.1"],
    "loopback first, public last": ["127.0.0.1", "93.184.216.34"],
    "one of many": [*(f"93.184.216.{n}" for n in range(1, 200)), "10.0.0.1"],
    "public over IPv4, loopback over IPv6": ["93.184.216.34", "::1"],
    "an address with a zone": ["fe80::1%lo"],
    "no address": [],
    "what is none": ["127.1"],
}

#: Where a public server may send us. `{port}` as above; the server itself is http://public.example:{own}/.
REDIRECTS = {
    "loopback": "http://127.0.0.1:{port}/",
    "loopback of IPv6": "http://[::1]:{port}/",
    "loopback at its own port": "http://127.0.0.1:{own}/",
    "its own name at another port": "http://public.example:{port}/",
    "its own name over TLS": "https://public.example:{port}/",
    "localhost": "http://localhost:{port}/",
    "no scheme": "//127.0.0.1:{port}/",
    "an integer": "http://2130706433:{port}/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "a user": "http://public.example@127.0.0.1:{port}/",
    "credentials for itself": "http://user:secret@public.example:{own}/",
    "backslashes": "\\\\127.0.0.1:{port}\\",
    "a backslash and an @": "http://127.0.0.1:{port}\\@public.example/",
    "a tab in the scheme": "ht\ttp://127.0.0.1:{port}/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_",
    "ftp": "ftp://127.0.0.1:{port}/",
    "data": "data:audio/wav;base64,UklGRg==",
    "brackets that do not close": "http://[::1:{port}/",
    "a port out of range": "http://127.0.0.1:99999/",
    "no host but a port": "http://:{port}/",
    "nothing": "",
}


@dataclass
class Watch:
    """Who was called: the canaries' one port, and the address of every `connect` of this process."""

    port: int
    canaries: list[socket.socket]
    called: list[tuple[str, int]] = field(default_factory=list)
    resolved: list[object] = field(default_factory=list)

    def nobody_came(self) -> bool:
        for canary in self.canaries:
            with pytest.raises(BlockingIOError):
                canary.accept()
        return True


@contextmanager
def listening() -> Iterator[tuple[int, list[socket.socket]]]:
    """Canaries at one port on loopback, of both kinds. The kernel takes calls for them; nobody answers."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port, canaries = first.getsockname()[1], [first]
        if socket.has_ipv6:
            with suppress(OSError):  # there is no IPv6 here, or the port is taken: `called` still tells
                canaries.append(stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6)))
        for canary in canaries:
            canary.setblocking(False)
        yield port, canaries


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    with listening() as (port, canaries):
        seen = Watch(port, canaries)
        connect, look_up = socket.socket.connect, socket.getaddrinfo

        def noted_connect(self: socket.socket, address: tuple[str, int]) -> None:
            seen.called.append((address[0], address[1]))
            connect(self, address)

        def noted_look_up(*args: Any, **more: Any) -> object:
            seen.resolved.append(args[0])
            return look_up(*args, **more)

        monkeypatch.setattr(socket.socket, "connect", noted_connect)
        monkeypatch.setattr(socket, "getaddrinfo", noted_look_up)
        yield seen


def refusal(url: str, resolve: Resolver | None = None) -> DictographError:
    with pytest.raises(DictographError) as caught:
        asyncio.run(download(url, resolve=resolve))
    return caught.value


def test_there_are_enough_tricks() -> None:
    assert len(DIRECT) + len(ANSWERS) + len(REDIRECTS) >= 150


@pytest.mark.parametrize("url", DIRECT.values(), ids=DIRECT)
def test_an_address_inside_is_not_called(url: str, watch: Watch) -> None:
    error = refusal(url.format(port=watch.port))
    assert type(error) is AddressNotAllowed
    assert not error.retryable
    assert watch.called == []
    assert watch.nobody_came()
    assert all(asks_nobody(name) for name in watch.resolved)


def asks_nobody(name: object) -> bool:
    """Whether no name server has to be asked for it."""
    try:
        return str(name) == "localhost" or bool(ipaddress.ip_address(str(name)))
    except ValueError:
        return False


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_innocent_name_for_an_address_inside(answer: list[str], scheme: str, watch: Watch) -> None:
    error = refusal(f"{scheme}://innocent.example:{watch.port}/", Resolver(answer))
    assert type(error) is AddressNotAllowed
    assert watch.called == []
    assert watch.nobody_came()


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
@pytest.mark.parametrize("location", REDIRECTS.values(), ids=REDIRECTS)
def test_a_public_server_cannot_send_us_inside(location: str, status: str, watch: Watch) -> None:
    async def run() -> int:
        headers: list[str] = []

        async def answer(_: str, writer: asyncio.StreamWriter) -> None:
            writer.write(says(status, *headers, body=SECRET))

        async with site(answer) as public:
            headers.append(f"Location: {location.format(port=watch.port, own=public.port)}")
            url, allow = f"http://public.example:{public.port}/", f"public.example:{public.port}"
            with pytest.raises(FetchError) as caught:
                await download(url, allow, resolve=Resolver(["127.0.0.1"]))
            assert not caught.value.retryable
            assert len(public.requests) == 1
        return public.port

    public_port = asyncio.run(run())
    assert watch.called == [("127.0.0.1", public_port)]
    assert watch.nobody_came()


def test_a_name_that_is_public_for_the_check_and_loopback_for_the_call(watch: Watch) -> None:
    """DNS rebinding. The first answer is a public address (of a network for examples, allowed here, so that nobody is
    called by the test); the second would be loopback. There is no second question, and only the first is called."""
    rebinding = Resolver(["203.0.113.7"], ["127.0.0.1"])

    async def run() -> None:
        with pytest.raises(FetchError):
            await download(f"http://rebind.example:{watch.port}/", "203.0.113.0/24", timeout=0.3, resolve=rebinding)

    asyncio.run(run())
    assert rebinding.asked == ["rebind.example"]
    assert watch.resolved == []
    assert watch.called == [("203.0.113.7", watch.port)]
    assert watch.nobody_came()


def test_a_name_that_changes_between_two_hops(watch: Watch) -> None:
    async def run() -> None:
        async with site(always(says("302 Found", "Location: /again"))) as public:
            changing = Resolver(["127.0.0.1"], ["127.0.0.2"])
            url, allow = f"http://public.example:{public.port}/", "127.0.0.1/32"
            with pytest.raises(AddressNotAllowed):
                await download(url, allow, resolve=changing)
            assert changing.asked == ["public.example"] * 2
            assert len(public.requests) == 1

    asyncio.run(run())
    assert {address for address, _ in watch.called} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "header",
    [
        "Refresh: 0; url=http://127.0.0.1:{port}/",
        "Link: <http://127.0.0.1:{port}/>; rel=next",
        "Content-Location: http://127.0.0.1:{port}/",
        'Alt-Svc: h2="127.0.0.1:{port}"',
        "Location: http://127.0.0.1:{port}/",
    ],
)
def test_no_header_of_an_answer_makes_another_call(header: str, watch: Watch) -> None:
    """Nor does a Location where there is no redirect."""

    async def run() -> bytes:
        async with site(always(says("200 OK", header.format(port=watch.port), body=b"sound"))) as public:
            url, allow = f"http://public.example:{public.port}/", f"public.example:{public.port}"
            return (await download(url, allow, resolve=Resolver(["127.0.0.1"])))[1]

    assert asyncio.run(run()) == b"sound"
    assert len(watch.called) == 1
    assert watch.nobody_came()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_called(name: str, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would resolve names by itself, behind our back."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{watch.port}")
    refusal(f"http://127.0.0.1:{watch.port}/")

    async def run() -> None:
        async with site(always(says("200 OK", body=b"sound"))) as public:
            allow = f"public.example:{public.port}"
            await download(f"http://{allow}/", allow, resolve=Resolver(["127.0.0.1"]))

    asyncio.run(run())
    assert len(watch.called) == 1
    assert watch.nobody_came()


def test_what_is_sent_is_addressed_to_the_host_that_was_checked(watch: Watch) -> None:
    """Path and query cannot add lines to the request, nor change its Host."""

    async def run() -> str:
        async with site(always(says("200 OK", body=b"sound"))) as public:
            allow = f"public.example:{public.port}"
            path = "/a%0d%0aHost:%20evil/%00?q=%0d%0aX:%201&u=http://127.0.0.1/#Host: evil".replace(" ", "%20")
            await download(f"http://PUBLIC.example.:{public.port}{path}", allow, resolve=Resolver(["127.0.0.1"]))
            return public.requests[0]

    lines = asyncio.run(run()).split("\r\n")
    assert lines[0] == "GET /a%0d%0aHost:%20evil/%00?q=%0d%0aX:%201&u=http://127.0.0.1/ HTTP/1.1"
    assert [line for line in lines if line.lower().startswith("host:")] == [
        f"Host: public.example:{watch.called[0][1]}"
    ]
    assert len(lines) == 7, lines


def test_the_limits_stay_what_they_are() -> None:
    """Only public addresses, unless an operator says otherwise."""
    limits = FetchLimits(1, 1)
    assert (limits.allow.networks, limits.allow.hosts) == ((), frozenset())
