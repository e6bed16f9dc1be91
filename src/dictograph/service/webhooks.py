"""Operations on webhooks: the delivery log, redelivery, the signing secrets, and a test of a receiver."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from uuid import uuid4

from dictograph.errors import AddressNotAllowed, InvalidRequest, NotFound
from dictograph.net.addresses import AllowList, Target, check_addresses, parse_target
from dictograph.service.request import check_url
from dictograph.store.database import Database
from dictograph.store.webhooks import delivery_log, receiver_secrets
from dictograph.store.webhooks.delivery_log import DeliveryPage, Wanted
from dictograph.store.webhooks.receiver_secrets import Secret
from dictograph.webhooks.delivery import Delivery
from dictograph.webhooks.payload import body_of, ping_payload
from dictograph.webhooks.sender import Outcome, WebhookSender

#: The setting that allows receivers at addresses that are not public.
ALLOWED_BY = "DICTOGRAPH_WEBHOOK_ALLOW"

#: For how long an old secret signs beside the new one (s): by default, and at most.
OVERLAP_S = 24 * 3600.0
LONGEST_OVERLAP_S = 30 * 24 * 3600.0

_ID = re.compile(r"[0-9a-f-]{36}")


def check_receiver(url: str, allow: AllowList, param: str = "webhook_url") -> str:
    """Return the URL if its form allows to send webhooks to it. A host name is resolved when the webhook is sent.

    Raises:
        InvalidRequest: it is not http or https, carries credentials, or names an address that is not public.
    """
    check_url(url, param)
    try:
        target = parse_target(url)
        if addresses := _literal(target):
            check_addresses(target, addresses, allow)
    except AddressNotAllowed as error:
        raise InvalidRequest(f"`{param}` cannot be called: {error.message}", param=param) from error
    return url


class Webhooks:
    """The webhooks of an owner. Owner None is the operator, who sees the webhooks of all owners.

    All methods raise DatabaseUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliveries(self, owner: str | None, wanted: Wanted) -> DeliveryPage:
        """Return a page of the log. Raises InvalidRequest for a cursor of another list."""
        return await self._database.read(lambda c: delivery_log.list_deliveries(c, owner, wanted))

    async def redeliver(self, owner: str | None, id: str) -> Delivery:
        """Send the delivery again. Raises NotFound when there is no such delivery, or it has another owner."""
        if not _ID.fullmatch(id):
            raise NotFound("There is no such delivery.")
        return await self._database.write(lambda c: delivery_log.redeliver(c, owner, id))

    async def secrets(self, owner: str) -> list[Secret]:
        """Return the secrets that sign the owner's webhooks, the current one first. The first call makes one."""
        return await self._database.write(lambda c: receiver_secrets.ensure_secrets(c, owner))

    async def rotate(self, owner: str, overlap_s: float = OVERLAP_S) -> list[Secret]:
        """Make a new secret. The earlier secrets sign beside it for `overlap_s` seconds."""
        return await self._database.write(lambda c: receiver_secrets.rotate(c, owner, overlap_s))

    async def ping(self, owner: str, url: str, sender: WebhookSender) -> Outcome:
        """Send a `webhook.test` now, once. Raises InvalidRequest for a URL that is not allowed."""
        check_receiver(url, sender.allow, "url")
        keys = [one.secret for one in await self.secrets(owner)]
        return await sender.post(url, f"msg_{uuid4().hex}", body_of(ping_payload(datetime.now(UTC))), keys)


def _literal(target: Target) -> list[str]:
    """Return the addresses that a host means without DNS."""
    if target.host == "localhost" or target.host.endswith(".localhost"):
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.ip_address(target.host))]
    except ValueError:
        return []
