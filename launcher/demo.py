"""`start.py demo`: the feedback loop on a real server, its pictures and report in a folder."""

import json
import math
import os
import shutil
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .client import Graph, fetch_image, run_graph
from .overview import overview
from .places import ROOT
from .server import ComfyServer
from .steps import StartError, say

WORKFLOW = ROOT / "workflows" / "api" / "feedback_loop.json"
REPORT_KEY = "emofb_report"  # under it, End Emotion Loop leaves its report in the history
PICTURES = ("best", "candidates", "chart")  # saved as emofeedback/NAME
LARGEST = 3.0
MAX_SEED = 2**64 - 1
MAX_ROUNDS, MAX_CANDIDATES = 100, 64  # of emofeedback/records/policy.py; a test holds them


def add_arguments(parser: ArgumentParser) -> None:
    """What `start.py demo` takes."""
    text = "what the picture shows (default: %(default)s)"
    parser.add_argument("--prompt", type=_prompt, default="a boat on the sea", help=text)
    text = "wanted valence, -3 unpleasant to 3 pleasant (default: %(default)s)"
    parser.add_argument("--valence", type=_coordinate, default=1.8, help=text, metavar="V")
    text = "wanted arousal, -3 calm to 3 activated (default: %(default)s)"
    parser.add_argument("--arousal", type=_coordinate, default=-1.6, help=text, metavar="A")
    text = "generate-score-refine passes at most (default: %(default)s)"
    parser.add_argument("--rounds", type=_at_most(MAX_ROUNDS), default=3, help=text, metavar="N")
    text = "pictures a round (default: %(default)s)"
    parser.add_argument(
        "--candidates", type=_at_most(MAX_CANDIDATES), default=4, help=text, metavar="N"
    )
    parser.add_argument("--seed", type=_seed, default=1, help="default: %(default)s", metavar="N")
    text = "folder that gets a demo-DATE-TIME folder (default: output in the project)"
    parser.add_argument("--output", type=Path, default=ROOT / "output", help=text)


def check_output(folder: Path) -> None:
    """Tries to write there, so that no result of a long run is lost.

    Raises: StartError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartError(
            f"The output folder {folder} cannot be written to: {error.strerror}. "
            "Make it writable, or name another with --output DIR."
        ) from error


def run(server: ComfyServer, options: Namespace) -> None:
    """Runs the loop with the given options and leaves its results in a new folder."""
    graph = apply_options(_read_workflow(), options)
    target = f"V {options.valence:+.2f}, A {options.arousal:+.2f}"
    say(f"- {options.prompt!r} towards {target}:")
    outputs = run_graph(server, graph)
    report = find_report(outputs)
    pictures = find_pictures(outputs)
    folder = save(server, report, pictures, options.output)
    say()
    for line in table(report):
        say(line)
    say()
    for file in sorted(folder.iterdir()):
        say(str(file))


def apply_options(graph: Graph, options: Namespace) -> Graph:
    """The graph with the options on its Start Emotion Loop and Emotion Target nodes."""
    start = _only(graph, "EmoFB_StartLoop")
    start |= {name: getattr(options, name) for name in ("prompt", "rounds", "candidates", "seed")}
    target = _only(graph, "EmoFB_EmotionTarget")
    target |= {"valence": options.valence, "arousal": options.arousal, "preset": "custom"}
    return graph


def find_report(outputs: dict[str, Any]) -> dict[str, Any]:
    """The loop's report among the outputs of a history entry; the last one if there are several."""
    found = [output[REPORT_KEY][-1] for output in outputs.values() if output.get(REPORT_KEY)]
    if not found:
        raise StartError("The workflow left no report: it needs a node of type EmoFB_EndLoop.")
    return dict(json.loads(found[-1]))


def find_pictures(outputs: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Name of the picture ("best", ...) -> saved images under that name, in the order of saving."""
    images = [image for output in outputs.values() for image in output.get("images", ())]
    saved = {image["filename"]: image for image in images if image["subfolder"] == "emofeedback"}
    return {
        name: [saved[file] for file in sorted(saved) if file.startswith(f"{name}_")]
        for name in PICTURES
    }


def save(
    server: ComfyServer,
    report: dict[str, Any],
    pictures: dict[str, list[dict[str, str]]],
    output: Path,
) -> Path:
    """Fetches everything into OUTPUT/demo-DATE-TIME, which appears whole or not at all.

    Raises: StartError: the workflow left something out, or the disk is full.
    """
    candidates = [
        f"round-{record['round']}-candidate-{number}.png"
        for record in report["rounds"]
        for number in range(1, len(record["readings"]) + 1)
    ]
    if not (pictures["best"] and pictures["chart"]):
        raise StartError("The workflow saved no best picture or no chart under emofeedback/.")
    if len(candidates) != len(pictures["candidates"]):
        raise StartError(
            f"The report tells of {len(candidates)} pictures, but {len(pictures['candidates'])} "
            "were saved: in the workflow, the loop's output 'all' must go to Save Image."
        )
    files = {name: fetch_image(server, image) for name, image in _named(candidates, pictures)}
    files["overview.png"] = overview(report, files)
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    files["report.json"] = f"{text}\n".encode()
    try:
        return _written(files, output)
    except OSError as error:
        raise StartError(
            f"{output} cannot hold the results: {error.strerror or error}. The pictures are kept "
            f"in {server.base / 'output' / 'emofeedback'}. Make room, or name a folder on another "
            "disk with --output, and run the same command again."
        ) from error


def _written(files: dict[str, bytes], output: Path) -> Path:
    part = Path(tempfile.mkdtemp(prefix=".demo-", dir=output))
    try:
        for name, data in files.items():
            (part / name).write_bytes(data)
        part.chmod(0o755)
        folder = _free_name(output)
        os.replace(part, folder)
        return folder
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def table(report: dict[str, Any]) -> list[str]:
    """The run in a few lines: each round's prompt, its best candidate's reading, its gap."""
    target, best = report["target"], report["best"]
    width = shutil.get_terminal_size((100, 24)).columns
    head = f"{'round':>5} {'V':>6} {'A':>6} {'gap':>5} {'best':>5}  prompt"
    lines = [head]
    for record in report["rounds"]:
        reading = record["readings"][record["best"] - 1]
        mark = "*" if record["round"] == best["round"] else " "
        lines.append(
            f"{record['round']:>5} {reading['valence']:>+6.2f} {reading['arousal']:>+6.2f} "
            f"{record['gap']['size']:>5.2f} {record['best']:>4}{mark}  {record['prompt']}"
        )
    lines = [line if len(line) <= width else line[: width - 3] + "..." for line in lines]
    cost = report["cost"]
    lines.append(f"target {target['valence']:>+5.2f} {target['arousal']:>+6.2f}")
    lines.append(
        f"* best of all: round {best['round']}, candidate {best['candidate']}, "
        f"gap {best['gap']['size']:.2f}; stopped by: {report['stop_reason']}; "
        f"{cost['pictures']} pictures in {cost['seconds']:.1f} s"
    )
    lines += [f"warning: {warning}" for warning in report.get("warnings", ())]
    return lines


def _named(
    candidates: list[str], pictures: dict[str, list[dict[str, str]]]
) -> list[tuple[str, dict[str, str]]]:
    single = [(f"{name}.png", pictures[name][-1]) for name in ("best", "chart")]
    return [*zip(candidates, pictures["candidates"], strict=True), *single]


def _free_name(output: Path) -> Path:
    name = time.strftime("demo-%Y%m%d-%H%M%S")
    taken = (output / f"{name}{suffix}" for suffix in ["", *(f"-{n}" for n in range(2, 100))])
    return next(folder for folder in taken if not folder.exists())


def _read_workflow() -> Graph:
    if not WORKFLOW.is_file():
        raise StartError(f"{WORKFLOW} is missing: get the whole project again.")
    return dict(json.loads(WORKFLOW.read_text("utf-8")))


def _only(graph: Graph, class_type: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        node["inputs"] for node in graph.values() if node["class_type"] == class_type
    ]
    if len(found) != 1:
        raise StartError(f"{WORKFLOW} holds {len(found)} {class_type} nodes; it must hold one.")
    return found[0]


def _prompt(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("it is empty; say what the picture shows, as in 'a dog in a park'")
    return text.strip()


def _coordinate(text: str) -> float:
    value: float = _number(text, float)
    if not (math.isfinite(value) and -LARGEST <= value <= LARGEST):
        raise ArgumentTypeError(f"{text} lies outside the scale; give a number from -3 to 3")
    return value


def _at_most(most: int) -> Callable[[str], int]:
    """A reader of a number from 1 to `most`, as the node's widget takes it."""

    def read(text: str) -> int:
        value: int = _number(text, int)
        if value < 1:
            raise ArgumentTypeError(f"{text} makes no picture; give 1 or more")
        if value > most:
            raise ArgumentTypeError(f"{text} is more than the {most} that the loop takes")
        return value

    return read


def _seed(text: str) -> int:
    value: int = _number(text, int)
    if not 0 <= value <= MAX_SEED:
        raise ArgumentTypeError(f"{text} is no seed; give a whole number from 0 to {MAX_SEED}")
    return value


def _number(text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        word = "whole number" if kind is int else "number"
        raise ArgumentTypeError(f"{text!r} is not a {word}") from None
