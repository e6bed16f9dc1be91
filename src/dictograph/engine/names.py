"""The engines that are always there, by name."""

from __future__ import annotations

AUTO, WHISPER, SPHINX = "auto", "whisper", "sphinx"
