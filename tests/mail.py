"""A small mail server (RFC 5321) on loopback: it keeps what it gets."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """`messages` are what came, `logins` who said who it was; mail to anybody in `unknown` is refused."""

    port: int = 0
    messages: list[tuple[str, EmailMessage]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: MailServer = self.server.mail  # type: ignore[attr-defined]
        recipient = ""
        self._say("220 here")
        while line := self.rfile.readline():
            word = line.decode().strip()
            match word.split()[0].upper():
                case "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                case "AUTH":
                    server.logins.append(base64.b64decode(word.split()[2]).decode().replace("\0", " ").strip())
                    self._say("235 welcome")
                case "RCPT" if any(f"<{one}>" in word for one in server.unknown):
                    self._say("550 nobody here")
                case "RCPT":
                    recipient = word.partition("<")[2].partition(">")[0]
                    self._say("250 yes")
                case "DATA":
                    self._say("354 go on")
                    server.messages.append((recipient, self._message()))
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 yes")

    def _message(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return message_from_bytes(b"".join(lines), policy=policy.default)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server that takes mail while the context lasts."""
    mail = MailServer()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Conversation) as server:
        server.mail = mail  # type: ignore[attr-defined]
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield mail
        finally:
            server.shutdown()
            thread.join(10)
