"""Certificates for tests: an authority of our own, and what it signs. Made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.needs import need

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, in PEM files."""

    file: Path
    key: Path

    def for_server(self) -> ssl.SSLContext:
        """What a server shows that has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class Authority:
    """Signs certificates for names. Nobody trusts it who was not told to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signed = 0
        self.own = self.self_signed("authority")

    def self_signed(self, name: str) -> Certificate:
        """A certificate that nobody vouches for."""
        made = self._named(name)
        _openssl("req", "-x509", *_CURVE, "-subj", f"/CN={name}", "-days", "2", "-keyout", made.key, "-out", made.file)
        return made

    def sign(self, name: str) -> Certificate:
        """A certificate for a host name."""
        self._signed += 1
        made = self._named(f"server{self._signed}")
        request, names = made.file.with_suffix(".csr"), made.file.with_suffix(".ext")
        names.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        by = ("-CA", self.own.file, "-CAkey", self.own.key, "-CAcreateserial", "-extfile", names)
        _openssl("x509", "-req", "-in", request, "-days", "2", *by, "-out", made.file)
        return made

    def _named(self, name: str) -> Certificate:
        return Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([need("openssl"), *map(str, arguments)], check=True, capture_output=True)
