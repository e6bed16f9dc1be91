"""The connection to a bucket: boto3 for requests that are signed or administer, obstore for the bytes of objects.

boto3 blocks, so each of its calls has a thread that nothing waits for, and a time limit. obstore is asynchronous.
Both take the same credentials from the same chain.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import boto3
import obstore.store
from botocore.config import Config
from obstore.auth.boto3 import Boto3CredentialProvider

from dictograph.blobs.options import S3Options
from dictograph.blobs.s3.address import BucketAddress
from dictograph.blobs.s3.errors import code_of, is_changed, is_missing, outage, storage_error
from dictograph.errors import DictographError
from dictograph.runtime.daemon_thread import in_daemon_thread

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

#: How long a connection may take to be made, in seconds.
_CONNECT_S = 5.0

#: A request that failed is sent again for this time, in seconds. With the time-out of the last one, an upload fails
#: within 45 s.
_RETRY_S = 12.0

_DEFAULT_REGION = "us-east-1"


@dataclass(slots=True)
class _Opened:
    client: Any
    public: Any
    store: Any
    region: str


class S3Client:
    """Sends requests to one bucket. It is opened by the first of them."""

    def __init__(self, address: BucketAddress, options: S3Options) -> None:
        self.address = address
        self.options = options
        self._opened: _Opened | None = None
        self._opening = asyncio.Lock()
        self._failed_at = -math.inf

    @property
    def where(self) -> str:
        """Return the bucket in words for the operator."""
        return f"{self.address.bucket} at {self.options.endpoint or 'AWS'}"

    def failed_since(self, moment: float) -> bool:
        """Return whether a request failed since a moment of the monotonic clock."""
        return self._failed_at >= moment

    async def region(self) -> str:
        """Return the region that is in force."""
        return (await self._open()).region

    async def request(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send one request of boto3 for this bucket; return its answer.

        Raises:
            botocore's ClientError: the object is missing, or another version than was asked for.
            StorageOutage: anything else.
        """
        opened = await self._open()
        function = getattr(opened.client, operation)
        found: dict[str, Any] = await self._within(
            in_daemon_thread(lambda: function(Bucket=self.address.bucket, **parameters)), operation
        )
        return found

    async def bytes_call(self, operation: Any, *arguments: Any, **parameters: Any) -> Any:
        """Await one call of obstore for this bucket. Raises FileNotFoundError, StorageOutage."""
        opened = await self._open()
        return await self._mapped(operation(opened.store, *arguments, **parameters), "")

    async def sign(self, function: str, *arguments: Any, **parameters: Any) -> Any:
        """Return what a signing function of boto3 makes, with the server's address for clients."""
        opened = await self._open()
        return await self._within(in_daemon_thread(lambda: getattr(opened.public, function)(*arguments, **parameters)))

    async def _within(self, call: Awaitable[T], operation: str = "") -> T:
        async with asyncio.timeout(self.options.timeout + _CONNECT_S) as limit:
            try:
                return await self._mapped(call, operation)
            except asyncio.CancelledError:
                if limit.expired():
                    self._failed_at = time.monotonic()
                    raise outage("Timeout", self.where) from None
                raise

    async def _mapped(self, call: Awaitable[T], operation: str) -> T:
        try:
            return await call
        except (DictographError, asyncio.CancelledError):
            raise
        except Exception as error:
            if is_changed(error):
                raise
            if is_missing(error) and not await self._has_no_bucket(operation):
                raise
            if code_of(error).isdigit() and operation != _ASKED:
                await self._ask_why()
            self._failed_at = time.monotonic()
            raise storage_error(error, self.where) from error

    async def _has_no_bucket(self, operation: str) -> bool:
        """Return whether it is the bucket that is missing, where the answer does not tell. Raises StorageOutage."""
        if operation.startswith("head"):
            await self._ask_why()
        return False

    async def _ask_why(self) -> None:
        """Send a request whose refusal has a reason in it, which that of a HEAD has not. Raises StorageOutage."""
        await self.request(_ASKED, MaxKeys=1, Prefix=self.address.prefix)

    async def _open(self) -> _Opened:
        async with self._opening:
            if self._opened is None:
                try:
                    self._opened = await in_daemon_thread(_opened, self.address, self.options)
                except Exception as error:
                    raise storage_error(error, self.where) from error
            return self._opened


_ASKED = "list_objects_v2"


def _opened(address: BucketAddress, options: S3Options) -> _Opened:
    session = boto3.session.Session(
        aws_access_key_id=options.access_key or None,
        aws_secret_access_key=options.secret_key or None,
        region_name=options.region or None,
    )
    region = session.region_name or _DEFAULT_REGION
    virtual = options.style == "virtual" or (options.style == "auto" and not options.endpoint)
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual" if virtual else "path"},
        connect_timeout=_CONNECT_S,
        read_timeout=options.timeout,
        retries={"total_max_attempts": 3, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=16,
    )

    def client(endpoint: str) -> Any:
        return session.client("s3", region_name=region, endpoint_url=endpoint or None, config=config)

    own = client(options.endpoint)
    public = client(options.public_endpoint) if options.public_endpoint else own
    return _Opened(own, public, _store(session, address, options, region, virtual=virtual), region)


def _store(session: Any, address: BucketAddress, options: S3Options, region: str, *, virtual: bool) -> Any:
    if session.get_credentials() is None:
        raise _NoCredentials("the chain of AWS's tools has no credentials")
    endpoint = _with_bucket(options.endpoint, address.bucket) if virtual and options.endpoint else options.endpoint
    # The bytes are not hashed once more for the signature: a worker compares them with the SHA-256 of the row.
    config: S3Config = {"region": region, "virtual_hosted_style_request": virtual, "unsigned_payload": True}
    if endpoint:
        config["endpoint"] = endpoint
    return obstore.store.S3Store(
        address.bucket,
        config=config,
        client_options={
            "allow_http": options.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "timeout": timedelta(seconds=options.timeout),
        },
        retry_config={
            "max_retries": 5,
            "retry_timeout": timedelta(seconds=_RETRY_S),
            "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=4), "base": 2},
        },
        credential_provider=Boto3CredentialProvider(session),
    )


class _NoCredentials(Exception):
    pass


def _with_bucket(endpoint: str, bucket: str) -> str:
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(netloc=f"{bucket}.{parts.netloc}"))
