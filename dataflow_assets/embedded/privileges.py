"""Which operating-system user the servers run as, and what that user can reach.

PostgreSQL refuses to run as root. Started by root, the servers run as an existing unprivileged user. Nothing here
creates an account or changes the mode or owner of anything we did not create a moment ago: opening the folders above a
checkout in root's home would open that home to everybody.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow_assets.embedded.endpoints import EmbeddedError


@dataclass(frozen=True)
class ServerUser:
    """The user the servers run as. `switch`: root starts them, so the child changes to this user."""

    name: str
    uid: int
    gid: int
    switch: bool

    @property
    def popen_arguments(self) -> dict[str, Any]:
        """Arguments of `subprocess.Popen` that make the child this user, without root's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if self.switch else {}

    def can_execute(self, path: Path) -> bool:
        """Whether this user can run the program, or enter the folder, at `path`.

        Asked of the kernel in a child that has become the user: mode bits alone miss access lists and mount options.
        """
        if not self.switch:
            return os.access(path, os.X_OK)
        child = os.fork()
        if child == 0:
            granted = False
            try:
                os.setgroups(())
                os.setgid(self.gid)
                os.setuid(self.uid)
                granted = os.access(path, os.X_OK)
            finally:
                os._exit(0 if granted else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def give(self, path: Path) -> None:
        """Make the user the owner of a file or folder that we have just created."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_user(name: str) -> ServerUser:
    """The current user; for root, the user called `name`.

    Raises:
        EmbeddedError: root, and there is no such user.
    """
    if os.geteuid() != 0:
        return ServerUser(user_name(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and this machine has no user {name!r} to run it as. "
            "Name an existing unprivileged user (os_user), or run as one."
        ) from None
    return ServerUser(name, entry.pw_uid, entry.pw_gid, switch=True)


def user_name(uid: int) -> str:
    """The name of a user, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
