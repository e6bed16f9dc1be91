from __future__ import annotations

import ipaddress

import pytest

from dictograph.errors import AddressNotAllowed, SettingsError
from dictograph.net.addresses import AllowList, Target, check_addresses, is_global, parse_target

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "2001:4860:4860::8888",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "3fff::1",
    "192.88.99.1",
    "2001:0:808:808::f7f7:f7f7",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.org/",
        "ftp://example.org/a.mp3",
        "data:audio/wav;base64,AAAA",
        "concat:http://example.org/a|b",
        "//example.org/a.mp3",
        "/etc/passwd",
        "",
        "http://",
        "http:///a.mp3",
        "http://user@example.org/",
        "http://user:secret@example.org/",
        "http://@example.org/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.256/",
        "http://256.1.1.1/",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://[v1.fe80]/",
        "http://exa mple.org/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nHost: other",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:http/",
        "http://-example.org/",
        "http://example..org/",
        "http://exam%70le.org/",
    ],
)
def test_urls_that_are_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        parse_target(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://example.org", Target("http", "example.org", 80)),
        ("HTTPS://Example.ORG./a?b#c", Target("https", "example.org", 443)),
        ("http://example.org:8080/", Target("http", "example.org", 8080)),
        ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80)),
        ("http://127.0.0.1:9/", Target("http", "127.0.0.1", 9)),
        ("http://[::1]:9/", Target("http", "::1", 9)),
        ("http://[0:0:0:0:0:0:0:1]/", Target("http", "::1", 80)),
        ("http://my_host.example/", Target("http", "my_host.example", 80)),
        ("http://１２７.0.0.1/", Target("http", "127.0.0.1", 80)),
    ],
)
def test_where_a_url_leads(url: str, target: Target) -> None:
    assert parse_target(url) == target


def test_one_address_that_is_not_public_spoils_all() -> None:
    target = parse_target("http://example.org/")
    assert check_addresses(target, ["8.8.8.8", "2001:4860:4860::8888"], AllowList()) == [
        "8.8.8.8",
        "2001:4860:4860::8888",
    ]
    for answer in (["8.8.8.8", "127.0.0.1"], ["127.0.0.1"], ["fe80::1%lo"], ["garbage"], []):
        with pytest.raises(AddressNotAllowed):
            check_addresses(target, answer, AllowList())


def test_the_allow_list() -> None:
    allow = AllowList.parse(["10.0.0.0/8", "192.168.7.7", "fd00::/8", "Files.internal.:8080", "[::1]:9000"])
    assert check_addresses(parse_target("http://a.example/"), ["10.1.2.3", "192.168.7.7", "fd00::5"], allow)
    assert check_addresses(parse_target("http://files.internal:8080/"), ["172.16.0.9"], allow)
    assert check_addresses(parse_target("http://[::1]:9000/"), ["::1"], allow)
    refused = [
        ("http://files.internal:8081/", "172.16.0.9"),
        ("http://files.internal/", "172.16.0.9"),
        ("http://[::1]:9001/", "::1"),
        ("http://a.example/", "192.168.7.8"),
        ("http://a.example/", "::ffff:172.16.0.9"),
    ]
    for url, address in refused:
        with pytest.raises(AddressNotAllowed):
            check_addresses(parse_target(url), [address], allow)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "host", "host:", "http://host:80", "host:99999", "a b:80", ""])
def test_an_entry_that_cannot_be_understood_names_the_setting(entry: str) -> None:
    with pytest.raises(SettingsError, match="DICTOGRAPH_FETCH_ALLOW"):
        AllowList.parse([entry])
