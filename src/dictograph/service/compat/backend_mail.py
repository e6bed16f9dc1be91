"""Send transcripts by mail, through the operator's mail server."""

from __future__ import annotations

import asyncio
import logging
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from dictograph.errors import InvalidRequest, TooManyRequests
from dictograph.service.auth.rates import Rates

log = logging.getLogger(__name__)

_TIMEOUT_S = 15.0
_AT_ONCE = 2

#: The most mails that one client may have sent, and that one address may get. A client without a key chooses the
#: address and, by its audio, the text: without limits it could send spam through the operator's server.
_PER_CLIENT = ("10/minute", "200/day")
_PER_ADDRESS = ("10/hour",)

#: Enough to refuse a text that is no address, or several addresses. Only the receiving server knows whether the address
#: exists. `=?` would begin an encoded word, which means another text in a header (RFC 2047).
_ADDRESS = re.compile(r"(?!.*=\?)[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome: `reason` is why nothing was sent."""

    success: bool
    reason: str = ""


class Mailer:
    """Sends mail, or returns why it cannot. `url` has the form `smtp://USER:PASSWORD@HOST:587`, or `smtps://…` for TLS
    from the first byte on; empty: there is no mail server."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = url
        self._sender = sender
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._rates = Rates()

    async def send(self, to: str, subject: str, text: str, *, client: str) -> Sent:
        """Send a text. A failure to send is returned and logged, not raised. `client` is the one that requested it.

        Raises:
            InvalidRequest: `to` is no mail address.
        """
        if not _ADDRESS.fullmatch(to) or not to.isprintable():
            raise InvalidRequest("`email` must be one e-mail address.", param="email")
        if not self._url or not self._sender:
            return Sent(False, "This service sends no e-mail: its operator has set no mail server.")
        try:
            await self._rates.take("mails", client, _PER_CLIENT)
            await self._rates.take("mails to this address", to.lower(), _PER_ADDRESS)
        except TooManyRequests as error:
            return Sent(False, error.message)
        try:
            message = _message(self._sender, to, subject, text)
            async with self._slots:
                await asyncio.to_thread(_deliver, self._url, message)
        except smtplib.SMTPRecipientsRefused:
            return Sent(False, "The mail server does not take mail for this address.")
        except (smtplib.SMTPException, MessageError, OSError, ValueError) as error:
            log.warning("a transcript could not be mailed: %s: %s", type(error).__name__, error)
            return Sent(False, "The mail server could not be reached, or did not take the message.")
        return Sent(True)


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    # File names kept by an older system may contain any character, and a line end would end the header. An encoded word
    # in a name may hide a line end (RFC 2047), and Python before 3.11.10 and 3.12.5 writes it out.
    subject = "".join(sign if sign.isprintable() else " " for sign in subject).replace("=?", "= ?")
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="dictograph.invalid")
    message.set_content(text)
    return message


def _deliver(url: str, message: EmailMessage) -> None:
    """Deliver the message; runs in a thread, and each step has a time limit. A password is sent only inside TLS, or on
    this machine."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT_S, context=tls)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT_S)
    with server:
        if parts.scheme != "smtps" and _may_encrypt(server):
            server.starttls(context=tls)
        if parts.username:
            if not isinstance(server.sock, ssl.SSLSocket) and host not in ("localhost", "127.0.0.1", "::1"):
                raise smtplib.SMTPException("the server offers no TLS, and the password is not sent without")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _may_encrypt(server: smtplib.SMTP) -> bool:
    server.ehlo_or_helo_if_needed()
    return server.has_extn("starttls")
