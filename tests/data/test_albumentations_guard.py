import os
import subprocess
import sys
from importlib import metadata

import pytest

from fgbgnet.data import albumentations_guard
from fgbgnet.errors import FgBgWarning


def test_it_is_imported_late_and_offline():
    # In a fresh process, without the variable that conftest sets, and with sockets that fail.
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise SystemExit('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from fgbgnet.data import train_transform\n"
        "print('albumentations' in sys.modules, 'matplotlib' in sys.modules)\n"
        "from fgbgnet.data.albumentations_guard import import_albumentations\n"
        "train_transform(8)\n"
        "print('albumentations' in sys.modules)\n"
        "import_albumentations()\n"
        "print('albumentations' in sys.modules)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["False", "False", "False", "True"], result.stdout + result.stderr


def test_albumentationsx_in_its_place_is_told(monkeypatch):
    album = albumentations_guard.import_albumentations()
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.5.1" if name == "albumentationsx" else version(name))
    monkeypatch.delattr(album, "_fgbgnet_checked", raising=False)
    with pytest.warns(FgBgWarning, match=r"AlbumentationsX 2\.5\.1 .*pip uninstall -y albumentationsx"):
        albumentations_guard.import_albumentations()
