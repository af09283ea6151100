"""The page: a server on this machine, and the loop that keeps it going."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from locoenvs import install
from locoenvs.tools.view.panel import Panel
from locoenvs.tools.view.scene import Scene
from locoenvs.tools.view.viewer import Viewer

if TYPE_CHECKING:
    import viser

PICTURES = 30.0
"""Pictures a second."""


def serve(host: str, port: int) -> viser.ViserServer:
    """A server at ``host``:``port``, 0 for any port that is free.

    Raises ImportError naming what to install, OSError for a port that is taken or an address that is not of this machine.
    """
    try:
        import viser
    except ImportError as error:
        raise ImportError(f"the viewer needs viser: {install.line('view')}") from error
    return viser.ViserServer(host, _free(host, port), "locoenvs", verbose=False)


def address(host: str, port: int) -> str:
    """What to open in a browser on this machine."""
    return f"http://{'localhost' if host in ('0.0.0.0', '::') else host}:{port}"


def _free(host: str, port: int) -> int:
    """The port, if it can be had."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port {port}: must be from 0 to 65535")
    try:
        with socket.create_server((host, port)) as tried:
            return int(tried.getsockname()[1])
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise OSError(f"--host {host} --port {port}: {why}; choose another port, or 0 for any that is free") from None


class Page:
    """Robots in the browser. Several browsers see and drive the same ones."""

    def __init__(self, server: viser.ViserServer, viewer: Viewer) -> None:
        self.server, self.viewer = server, viewer
        self.scene = Scene(server, viewer)
        self.panel = Panel(server, viewer, self.scene)
        self._shown = False

    def run(self, stop: threading.Event) -> None:
        """Go on until ``stop``."""
        drawn = -1.0
        sys.setswitchinterval(0.002)  # the server's thread must not keep a control step waiting
        while not stop.is_set():
            self.viewer.tick(time.monotonic())
            now = time.monotonic()
            if now - drawn >= 1 / PICTURES:
                drawn = now
                self.show(now)
            stop.wait(min(self.viewer.clock.wait(time.monotonic()), 1 / PICTURES))

    def show(self, now: float) -> None:
        """Draw, if somebody looks or nothing was drawn yet."""
        if self._shown and not self.server.get_clients():
            return
        self._shown = True
        self.scene.draw()
        self.panel.refresh(now)
