"""Where things are: the project, and what start.py makes beside it."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Places:
    """Folders of one set-up. `home` holds what is made; it is the project itself by default."""

    home: Path

    @classmethod
    def from_environment(cls) -> "Places":
        """EMOFEEDBACK_HOME moves .venv and .comfyui elsewhere, say to a larger disk."""
        return cls(Path(os.environ.get("EMOFEEDBACK_HOME") or ROOT).resolve())

    @property
    def venv(self) -> Path:
        return self.home / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def site_packages(self) -> Path:
        pattern = "Lib/site-packages" if os.name == "nt" else "lib/python3*/site-packages"
        return next(self.venv.glob(pattern), self.venv / "site-packages")

    @property
    def comfyui(self) -> Path:
        return self.home / ".comfyui"

    @property
    def lowest(self) -> "Places":
        """Where the environment of the lowest versions is made, beside the usual one."""
        return Places(self.home / ".lowest")

    @property
    def base(self) -> Path:
        """ComfyUI's base directory: models, input, output and user files of our server."""
        return self.comfyui / "base"

    @property
    def log(self) -> Path:
        return self.comfyui / "setup.log"
