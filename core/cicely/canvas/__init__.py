"""Calls as data: signatures and what is built of them."""

from __future__ import annotations

from .signature import Signature, maybe_signature, signature

__all__ = ["Signature", "maybe_signature", "signature"]
