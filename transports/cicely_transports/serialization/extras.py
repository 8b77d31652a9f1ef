"""Serializers whose library comes with an extra: msgpack and YAML. Imported on first use."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from cicely_transports.errors import MissingDependency


def _library(name: str, extra: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as exc:
        raise MissingDependency(f"serializer {extra!r} needs {name}: pip install 'cicely[{extra}]'") from exc


def msgpack_encode(data: Any) -> bytes:
    """MessagePack with the bin type; tuples become arrays."""
    packed: bytes = _library("msgpack", "msgpack").packb(data, use_bin_type=True)
    return packed


def msgpack_decode(body: bytes) -> Any:
    """MessagePack with the raw type off. Maps may have keys of any type that packs."""
    return _library("msgpack", "msgpack").unpackb(body, raw=False, strict_map_key=False)


def yaml_encode(data: Any) -> str:
    """YAML of plain data only; tuples become sequences, map keys are sorted where they can be."""
    yaml = _library("yaml", "yaml")
    try:
        text: str = yaml.safe_dump(data)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc
    return text


def yaml_decode(text: str) -> Any:
    """YAML by the safe loader: no Python objects are made."""
    yaml = _library("yaml", "yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc
