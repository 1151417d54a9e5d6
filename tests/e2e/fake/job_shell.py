"""What a shell does for a program on a terminal: gives it the terminal, notices that it stops or ends, takes it back.

Started as the leader of a session whose terminal is the file named by the first argument.  Tells what happens in lines
on the descriptor named by the second ("stopped", "ended STATUS MODES-RESTORED"); a byte on the third means ``fg``.
"""

from __future__ import annotations

import os
import signal
import sys
import termios


def main() -> None:
    terminal = os.open(sys.argv[1], os.O_RDWR)
    told, orders = int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (0, 1, 2):
        os.dup2(terminal, descriptor)
    before = termios.tcgetattr(terminal)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    argv = sys.argv[4:]
    pid = os.posix_spawn(
        argv[0], argv, os.environ, setpgroup=0, setsigdef=(signal.SIGTTOU, signal.SIGINT, signal.SIGTSTP)
    )
    os.tcsetpgrp(terminal, pid)
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        os.tcsetpgrp(terminal, os.getpgrp())
        same = termios.tcgetattr(terminal)[3] == before[3]
        if not os.WIFSTOPPED(status):
            os.write(told, f"ended {os.waitstatus_to_exitcode(status)} {same}\n".encode())
            return
        os.write(told, f"stopped {same}\n".encode())
        os.read(orders, 1)
        os.tcsetpgrp(terminal, pid)
        os.killpg(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
