"""The URL of a queue on Redis: checked, and written out in full."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from dictograph.runtime.url_scheme import scheme_of

_PLAIN, _TLS = "redis", "rediss"
_PORT = 6379
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")

#: What may stand behind a `?` with TLS, as in Celery: who vouches for the server, this client's own certificate and its
#: key, and whether the server needs a certificate that is good.
_TLS_NAMES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})
_TLS_NEEDS = ("required", "optional", "none")

_FORM = (
    "give the server as `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, with characters like @ / : ? # % in the "
    "password written as %40 %2F %3A %3F %23 %25"
)


def redis_server(url: str) -> str:
    """Return the URL of a Redis with its port, its database and what TLS asks for written out; "" for another kind of
    queue. Raises ValueError, which does not repeat the password."""
    scheme = scheme_of(url)
    if scheme not in (_PLAIN, _TLS):
        return ""
    parts = urlsplit(url.strip())
    place = _place(parts)
    number = parts.path.strip("/") or "0"
    if not re.fullmatch(r"[0-9]{1,4}", number):
        raise ValueError("give the database of Redis as a number, as in `redis://HOST:6379/0`")
    query = urlencode(_tls_of(parts.query), safe="/", quote_via=quote) if scheme == _TLS else _nothing(parts.query)
    return f"{scheme}://{_credentials(parts)}{place}/{int(number)}" + (query and f"?{query}")


def _place(parts: SplitResult) -> str:
    """Return the host and port."""
    try:
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError as error:
        raise ValueError(_FORM) from error
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if parts.fragment or not _SERVER.fullmatch(place):
        raise ValueError(_FORM)
    return place


def _credentials(parts: SplitResult) -> str:
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and not password:
        raise ValueError("there is a user without a password; a password alone has a colon before it")
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""


def _tls_of(query: str) -> dict[str, str]:
    given = {"ssl_cert_reqs": "required", **dict(parse_qsl(query, keep_blank_values=True))}
    if strange := given.keys() - _TLS_NAMES:
        raise ValueError(
            f"`{sorted(strange)[0][:100]}` is no setting of TLS; there are {', '.join(sorted(_TLS_NAMES))}"
        )
    given["ssl_cert_reqs"] = given["ssl_cert_reqs"].lower().removeprefix("cert_")
    if given["ssl_cert_reqs"] not in _TLS_NEEDS:
        raise ValueError(f"`ssl_cert_reqs` is one of {', '.join(_TLS_NEEDS)}")
    return given


def _nothing(query: str) -> str:
    if query:
        raise ValueError("nothing stands behind a `?` without TLS, which is `rediss://`")
    return ""
