"""Bodies to bytes and back: json, msgpack, yaml, pickle, raw, and serializers of your own.

The functions here are those of one shared :class:`Serializers`, called ``registry``.
"""

from __future__ import annotations

from .json import JsonCodec
from .serializer import Encoded, Serializer
from .serializers import RAW, TRUSTED, Serializers

__all__ = [
    "RAW",
    "TRUSTED",
    "Encoded",
    "JsonCodec",
    "Serializer",
    "Serializers",
    "content_types",
    "disable",
    "dumps",
    "enable",
    "loads",
    "register",
    "register_type",
    "registry",
    "unregister",
]

registry = Serializers()

dumps = registry.dumps
loads = registry.loads
register = registry.register
unregister = registry.unregister
enable = registry.enable
disable = registry.disable
content_types = registry.content_types
register_type = registry.json.register_type
