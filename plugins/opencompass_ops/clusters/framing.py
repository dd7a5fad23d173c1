"""Frames: how a script goes to a remote bash as bytes, and how its answer is told from noise. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.errors import InputError, LostError

# -p: neither BASH_ENV nor functions of the login environment, e.g. those of environment modules, get in.
# No quotes and no redirections: the account's login shell may be csh or fish.
COMMAND = ("bash", "--noprofile", "--norc", "-p", "-s")

_SERVE = Path(__file__).with_name("serve.sh")
_NOISE_BYTES = 2000
_HEADER_BYTES = 200


@dataclass(frozen=True)
class Answer:
    """What a script that ended left behind.

    :param returncode: of the script; 128 + N when signal N ended it.
    """

    returncode: int
    stdout: bytes
    stderr: bytes


def opening(nonce: str) -> bytes:
    """What :data:`COMMAND` must read first; it greets and then waits for frames.

    :param nonce: letters and digits that nothing else on the stream can contain, new for every stream.
    """
    return _SERVE.read_bytes() + f"serve {nonce}; exit\n".encode()


def frame(nonce: str, number: int, script: str, arguments: Sequence[str], stdin: bytes) -> bytes:
    """One script to run.

    :param number: comes back with the answer.
    :param arguments: the script's ``$1``, ``$2`` ...
    :raises InputError: the script or an argument contains NUL.
    """
    text = f"set -- {shlex.join(arguments)}\n{script}"
    if "\0" in text:
        raise InputError("a script and its arguments cannot contain NUL; send such bytes on stdin")
    body = text.encode(errors="surrogateescape")
    header = f"{nonce}:run {number} {len(body)} {len(stdin)}\n".encode()
    return header + body + stdin + f"{nonce}:end\n".encode()


class Decoder:
    """Finds greeting and answers in what a stream says, whatever a login profile says in between.

    :param nonce: the one of :func:`opening`.
    """

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._buffer = bytearray()
        self._noise = b""
        self._sizes: tuple[int, int, int] | None = None

    @property
    def noise(self) -> str:
        """The last of what was no answer, for people."""
        return (self._noise + self._buffer)[-_NOISE_BYTES:].decode(errors="replace").strip()

    def feed(self, data: bytes) -> None:
        """Take the stream's next bytes."""
        self._buffer += data

    def greeting(self) -> bool:
        """Take the greeting; whether it was there."""
        return self._take(rf"{self._nonce} ready\n") is not None

    def answer(self, number: int) -> Answer | None:
        """Take the answer to a frame; None when more bytes are needed.

        :raises LostError: something else got into the answer.
        """
        if self._sizes is None:
            header = self._take(rf"{self._nonce} answer {number} (\d{{1,3}}) (\d{{1,18}}) (\d{{1,18}})\n")
            if header is None:
                return None
            self._sizes = (int(header[1]), int(header[2]), int(header[3]))
        returncode, out, err = self._sizes
        end = f"{self._nonce} end {number}\n".encode()
        if len(self._buffer) < out + err + len(end):
            return None
        stdout, stderr = bytes(self._buffer[:out]), bytes(self._buffer[out : out + err])
        if self._buffer[out + err : out + err + len(end)] != end:
            raise LostError(f"an answer of {out} + {err} bytes has something else in it")
        del self._buffer[: out + err + len(end)]
        self._sizes, self._noise = None, b""
        return Answer(returncode, stdout, stderr)

    def _take(self, pattern: str) -> re.Match[bytes] | None:
        """Remove everything up to the pattern, or, where it is not there yet, what cannot be its beginning."""
        found = re.search(pattern.encode(), bytes(self._buffer))
        used = found.end() if found else max(len(self._buffer) - _HEADER_BYTES, 0)
        skipped = self._buffer[: found.start() if found else used]
        self._noise = (self._noise + skipped)[-_NOISE_BYTES:]
        del self._buffer[:used]
        return found
