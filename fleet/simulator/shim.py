"""A command of a simulated host: hands its words to the simulator and prints what comes back. Stands alone.

Run as ``python -I -S shim.py FOLDER COMMAND [ARGUMENT...]``; the simulator listens in FOLDER at ``control``.
A request is two fields: the words with NUL between them, and standard input; a field is its length in 4 bytes
and its bytes. An answer is a row of one letter and one field: ``1`` and ``2`` to print, ``x`` the exit status.
"""

from __future__ import annotations

import os
import socket
import sys


def main() -> int:
    """Run the command; its exit status."""
    folder, words = sys.argv[1], sys.argv[2:]
    os.chdir(folder)  # the path of a socket may have about 100 bytes, and a scratch folder's may be longer
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect("control")
        except OSError:
            sys.stderr.write(f"{words[0]}: the simulated host has ended\n")
            return 1
        stdin = sys.stdin.buffer.read() if _reads_stdin(words) else b""
        for field in (os.fsencode("\0".join(words)), stdin):
            connection.sendall(len(field).to_bytes(4, "big") + field)
        return _relay(connection)


def _reads_stdin(words: list[str]) -> bool:
    """Only ``tee`` does; any other command must leave a script on standard input alone."""
    command = [word for word in words if word != "sudo" and not word.startswith("-")]
    return command[:1] == ["tee"]


def _relay(connection: socket.socket) -> int:
    with connection.makefile("rb") as answer:
        while head := answer.read(5):
            body = answer.read(int.from_bytes(head[1:], "big"))
            if head[:1] == b"x":
                return int(body)
            stream = sys.stdout.buffer if head[:1] == b"1" else sys.stderr.buffer
            stream.write(body)
            stream.flush()
    sys.stderr.write("the simulated host has ended\n")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader is gone; exit without a second complaint
        sys.exit(141)
