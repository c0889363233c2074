"""The command `pantry`, from a process that imported it once: each call is a fork. A start costs a second of CPU.

`python tests/e2e/warm_command.py SOCKET` serves; `… SOCKET WORDS` calls. A call has the caller's files, folder and
environment, as a process of its own would.
"""

import json
import os
import socket
import sys
from collections.abc import Callable

_LARGEST = 2**17


def _call(address: str, words: list[str]) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        told = json.dumps([words, os.getcwd(), dict(os.environ)])  # noqa: PTH109 - a call imports as little as it can
        socket.send_fds(server, [told.encode()], [0, 1, 2])
        return server.recv(1)[0]


def _serve(address: str) -> None:
    from services.cli.commands import dead_letters, imports, kafka_topics, users  # noqa: F401, PLC0415
    from services.cli.main import main  # noqa: PLC0415 - a call imports as little as it can

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen()
        while True:
            caller, _ = server.accept()
            if not os.fork():
                _become(caller)
                status = _status_of(main)
                caller.send(bytes([status]))
                os._exit(status)
            caller.close()


def _become(caller: socket.socket) -> None:
    """Take over the caller's words, files, folder and environment."""
    told, files, _, _ = socket.recv_fds(caller, _LARGEST, 3)
    words, folder, environment = json.loads(told)
    for file, number in zip(files, (0, 1, 2), strict=True):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pantry", *words]


def _status_of(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.exit(_call(sys.argv[1], sys.argv[2:]))
    _serve(sys.argv[1])
