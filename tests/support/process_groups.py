"""Real processes of one gloo group, forked from a test."""

import os
import socket
import sys
import traceback
from collections.abc import Callable


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process that never returns here; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001  told by the exit status
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def join_group(rank: int, port: int, count: int) -> None:
    """Make this process one of `count`, as accelerate launch does; its group is joined later."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    from accelerate.state import AcceleratorState, PartialState

    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()


def in_processes(work: Callable[[int], object], count: int = 2) -> None:
    """Run `work(rank)` in processes of one group; each must end well."""
    port = free_port()

    def member(rank: int) -> None:
        join_group(rank, port, count)
        work(rank)

    children = [in_child(lambda r=rank: member(r)) for rank in range(count)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * count
