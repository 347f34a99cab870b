"""Rows of a folder that `datasets` wrote by `save_to_disk`.

Its Arrow files are read as they lie there, by pyarrow (which comes with `datasets`): no loading
script, pickle, extension type or address is followed, and nothing is downloaded or written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emofeedback.errors import ConfigError, MissingDependencyError
from emofeedback.records.files import parsed
from emofeedback.records.tables import Row

STATE, SPLITS = "state.json", "dataset_dict.json"
END = b"\xff\xff\xff\xff\0\0\0\0"
"""Of every Arrow stream; a file that was cut between two batches lacks it."""


def read_folder(path: Path, needed: Sequence[str], beside: Sequence[str] = ()) -> list[Row]:
    """The rows of a folder, numbered from 1, with those of the named columns that it has.

    Args:
        needed: one of these columns must be there.
        beside: others that are wanted; what is named in neither is not read.
    Raises: ConfigError: no such folder, several splits, a damaged file, no or two columns of a
        name. MissingDependencyError: no pyarrow.
    """
    folder = _split(path)
    files = _files(folder)
    try:
        import pyarrow as arrow
    except ImportError as error:
        raise MissingDependencyError(
            f"{path} is a folder of `datasets`, which is not installed. Run: "
            "pip install -e .[train]"
        ) from error
    rows: list[Row] = []
    for file in files:
        try:
            with arrow.memory_map(str(file)) as source:
                with arrow.ipc.open_stream(source) as stream:
                    names = _wanted(folder, stream.schema.names, needed, beside)
                    table = stream.read_all().select(list(names.values()))
                table.validate(full=True)
                source.seek(-len(END), 2)
                if source.read() != END:
                    raise EOFError("it ends too soon")
                found = table.rename_columns(list(names)).to_pylist()
        except ConfigError:
            raise
        except (arrow.ArrowException, EOFError, OSError, ValueError) as error:
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"{file} is no whole Arrow file ({told}). Write the folder anew by save_to_disk, "
                "or copy it as a whole (of git-lfs: `git lfs pull`)."
            ) from error
        rows += [
            Row(number, {name: _plain(value) for name, value in row.items()})
            for number, row in enumerate(found, len(rows) + 1)
        ]
    return rows


def no_column(path: Path, there: Sequence[str], needed: Sequence[str]) -> ConfigError:
    """What to raise where none of the needed columns is there."""
    return ConfigError(
        f"{path} has the columns {', '.join(there)}, none of which is one of {', '.join(needed)}. "
        "Name the one with the prompts so."
    )


def _split(path: Path) -> Path:
    """The folder of the rows; that of several splits has one a split."""
    if not (path / SPLITS).is_file():
        return path
    splits = _names(path / SPLITS, "splits")
    if len(splits) != 1:
        raise ConfigError(
            f"{path} holds the splits {', '.join(splits) or '(none)'}: name the folder of one"
            + (f", as {path / splits[0]}." if splits else ".")
        )
    return path / splits[0]


def _files(folder: Path) -> list[Path]:
    if not (folder / STATE).is_file():
        raise ConfigError(
            f"{folder} is a folder without {STATE}, so `datasets` has not written it by "
            "save_to_disk. Do that (load_dataset(...).save_to_disk(FOLDER)), or name a file."
        )
    return [folder / name for name in _names(folder / STATE, "_data_files")]


def _names(file: Path, key: str) -> list[str]:
    """Of what lies beside a file that lists it."""
    try:
        listed = parsed(file.read_text(encoding="utf-8"))[key]
        names = [each["filename"] if isinstance(each, dict) else each for each in listed]
        strange = [name for name in names if Path(name).name != name or name in ("", "..")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is not as `datasets` writes it ({error!r}).") from error
    for name in strange or [name for name in names if not (file.parent / name).exists()]:
        raise ConfigError(
            f"{file} names {name!r}, which does not lie beside it. Copy the folder as a whole, as "
            "save_to_disk wrote it."
        )
    return names


def _wanted(
    folder: Path, there: Sequence[str], needed: Sequence[str], beside: Sequence[str]
) -> dict[str, str]:
    """Casefolded names of wanted columns -> as the folder has them."""
    names: dict[str, str] = {}
    for each in there:
        name = each.strip().casefold()
        if name in (*needed, *beside):
            if name in names:
                raise ConfigError(f"{folder} has two columns {name!r}. Rename one.")
            names[name] = each
    if not any(name in names for name in needed):
        raise no_column(folder, there, needed)
    return names


def _plain(value: Any) -> Any:
    """As JSON holds it; NaN, by which tables of numbers leave a cell empty, is None."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
