"""Recognizing compressed archives by suffix or magic bytes: they allow no random access."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Compression:
    """A way to compress a tar: how such files end and begin, and what makes them plain again."""

    name: str
    suffixes: tuple[str, ...]
    magic: bytes
    command: str

    def advice(self) -> str:
        """Goes on after "it is" or the like."""
        return (
            f"compressed by {self.name}, in which no sample can be reached by its place: "
            f"decompress it ({self.command})"
        )

    def plain_name(self, name: str) -> str | None:
        """What a file would be called without it; None if its name does not say that it has it."""
        for suffix in self.suffixes:
            if name.lower().endswith(suffix):
                return f"{name[: -len(suffix)]}.tar"
        return None


COMPRESSIONS = (
    Compression(
        name="gzip", suffixes=(".tar.gz", ".tgz", ".taz"), magic=b"\x1f\x8b", command="gunzip"
    ),
    Compression(
        name="bzip2",
        suffixes=(".tar.bz2", ".tar.bz", ".tbz2", ".tbz", ".tb2"),
        magic=b"BZh",
        command="bunzip2",
    ),
    Compression(
        name="xz", suffixes=(".tar.xz", ".txz"), magic=b"\xfd7zXZ\0", command="unxz"
    ),
    Compression(
        name="zstd",
        suffixes=(".tar.zst", ".tar.zstd", ".tzst"),
        magic=b"\x28\xb5\x2f\xfd",
        command="unzstd",
    ),
    Compression(name="lz4", suffixes=(".tar.lz4",), magic=b"\x04\x22\x4d\x18", command="unlz4"),
    Compression(name="lzip", suffixes=(".tar.lz", ".tlz"), magic=b"LZIP", command="lzip -d"),
    Compression(
        name="compress", suffixes=(".tar.z",), magic=b"\x1f\x9d", command="uncompress"
    ),
    Compression(
        name="zip", suffixes=(".tar.zip",), magic=b"PK\x03\x04", command="unzip, then tar cf"
    ),
)  # fmt: skip


def compression_of(first_bytes: bytes) -> Compression | None:
    """The one that a file's first bytes tell."""
    return next((one for one in COMPRESSIONS if first_bytes.startswith(one.magic)), None)
