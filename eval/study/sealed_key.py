"""The protocol of a study, and its sealed key: which picture is of which arm.

The key is compressed text, so that nobody reads it by accident, and knows the sha256 of its content
and of the protocol. It is a seal, no lock: whoever wants to open it can.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpc.errors import DamagedFileError, InputError
from hpc.files import require_file, sha256_of_bytes
from hpc.records import Count, Records, Text

KIND = "histosyn study key"
PROTOCOL_NAME, KEY_NAME = "protocol.json", "key.json"
_VERSION = 1
_LARGEST_KEY_BYTES = 1 << 28
_REMEDY = "Take the key.json that `histosyn study make` wrote, unchanged."


@dataclass(frozen=True, kw_only=True)
class ShownTile:
    """A tile behind an item."""

    arm: Text
    name: Text
    patient: Text | None = None
    tissue: Text = ""
    sha256: Text = ""


@dataclass(frozen=True, kw_only=True)
class KeyItem:
    """What an item is; of a pair both tiles, from left to right."""

    name: Text
    tiles: tuple[ShownTile, ...]
    practice: bool = False
    repeat: bool = False


@dataclass(frozen=True, kw_only=True)
class Block:
    """What one file asks one reader."""

    reader: Text
    block: Text
    items: tuple[KeyItem, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """All that is not in the readers' files."""

    study: Text
    protocol_sha256: Text
    protocol: dict[str, Any]
    blocks: tuple[Block, ...]

    @property
    def design(self) -> Mapping[str, Any]:
        """The design as the protocol has it."""
        found: Mapping[str, Any] = self.protocol["design"]
        return found


@dataclass(frozen=True, kw_only=True)
class _Sealed:
    kind: Text
    version: Count
    study: Text
    sha256: Text
    sealed: str
    note: Text = field(default="")


@dataclass(frozen=True, kw_only=True)
class ProtocolFile:
    """What lies beside the key for people to read."""

    protocol: dict[str, Any]


PROTOCOLS = Records(kind=ProtocolFile, remedy="Restore the file.")
_SEALED = Records(kind=_Sealed, remedy=_REMEDY, largest_bytes=_LARGEST_KEY_BYTES)
_KEYS = Records(kind=Key, remedy=_REMEDY, largest_bytes=_LARGEST_KEY_BYTES)


def protocol_sha256(protocol: Mapping[str, Any]) -> str:
    """Of what it says, however it is laid out."""
    return sha256_of_bytes(json.dumps(protocol, sort_keys=True).encode())


def sealed(key: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a key file."""
    text = json.dumps(key, sort_keys=True).encode()
    return {
        "kind": KIND,
        "version": _VERSION,
        "study": key["study"],
        "note": "Sealed until all answers are back. `histosyn study read` opens it.",
        "sha256": sha256_of_bytes(text),
        "sealed": base64.b64encode(zlib.compress(text, 9)).decode(),
    }


def open_key(path: Path) -> Key:
    """The key in a file. InputError if it is none, DamagedFileError if its seal is broken."""
    if path.is_dir():
        raise InputError(
            f"{path} is a folder. Give the {KEY_NAME} that `histosyn study make` wrote."
        )
    require_file(path, "key")
    found = _SEALED.read(path)
    if found.kind != KIND:
        raise InputError(f"{path} is no key of a study. {_REMEDY}")
    try:
        packed = base64.b64decode(found.sealed, validate=True)
        # A few bytes can ask for gigabytes.
        text = zlib.decompressobj().decompress(packed, _LARGEST_KEY_BYTES)
    except (ValueError, zlib.error) as error:
        raise DamagedFileError(f"{path} is damaged ({error}). {_REMEDY}") from error
    if sha256_of_bytes(text) != found.sha256:
        raise DamagedFileError(f"{path} was altered: its seal is broken. {_REMEDY}")
    key = _KEYS.parse(text, str(path))
    if protocol_sha256(key.protocol) != key.protocol_sha256:
        raise DamagedFileError(f"{path} was altered: the protocol in it is another. {_REMEDY}")
    return key
