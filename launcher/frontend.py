"""A newer page for ComfyUI: `start.py test --frontend 1.58.1` runs the browser tests on it."""

import zipfile
from pathlib import Path

from .comfyui import fetch
from .places import Places
from .steps import StartError, say

PACKAGE = "comfyui_frontend_package"
# Version -> SHA-256 of its wheel. The page is GPL-3.0: downloaded, never shipped.
KNOWN = {"1.58.1": "37912597537a731a8f421179618a736c24184c5bdbfa327f38b2fb7c291852d9"}
VARIABLE = "EMOFEEDBACK_FRONTEND"


def ensure_frontend(places: Places, version: str) -> Path | None:
    """The page's folder, for ComfyUI's --front-end-root, unpacked beside ComfyUI.

    None, with a line that says so, where the package index cannot be reached.
    Raises: StartError: a version that is not pinned here, or a file that is not the pinned one.
    """
    if version not in KNOWN:
        raise StartError(
            f"--frontend {version}: only {', '.join(KNOWN)} is pinned. Add its SHA-256 to "
            "launcher/frontend.py to try another one."
        )
    folder = places.comfyui / f"frontend-{version}"
    page = folder / PACKAGE / "static"
    if (page / "index.html").is_file():
        return page
    try:
        name = f"{PACKAGE}-{version}-py3-none-any.whl"
        wheel = fetch(places, f"{PACKAGE}=={version}", name, KNOWN[version])
    except StartError as error:
        if "DO NOT MATCH" in str(error) or "not the file" in str(error):
            raise
        say(f"SKIPPED: the tests on frontend {version}, which could not be downloaded: {error}")
        return None
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith(PACKAGE)])
    return page
