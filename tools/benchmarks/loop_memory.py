"""What a long loop adds to a real ComfyUI server's memory while nothing is painted.

    python -m tools.benchmarks.loop_memory ROUNDS CANDIDATES SIDE [COMFYUI_TREE]

The body hands out one batch of drawn pictures with grain, always the same, and the rule refiner
writes; no output of End Emotion Loop is wired. Shown: resident megabytes of the server before the
loop, the most while it ran, and after it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from launcher.places import ROOT
from tools.comfy_client import Comfy, Graph, start_comfy, workflow

BODY = "PaintsNothing"
NODE = f'''
import torch
from comfy_api.latest import ComfyExtension, io

BATCH = {{}}


class {BODY}(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Int.Input("seed", max=2**63), io.Int.Input("count"), io.Int.Input("side")]
        return io.Schema(node_id="{BODY}", inputs=inputs, outputs=[io.Image.Output()])

    @classmethod
    def execute(cls, seed, count, side):
        if (count, side) not in BATCH:
            slope = torch.linspace(0, 1, side).view(1, side, 1, 1)
            grain = torch.randn(1, side, side, 3) * 0.02
            BATCH[count, side] = (slope + grain).clamp(0, 1).expand(count, side, side, 3)
        return io.NodeOutput(BATCH[count, side])


class Extension(ComfyExtension):
    async def get_node_list(self):
        return [{BODY}]


async def comfy_entrypoint():
    return Extension()
'''


def unpainted_loop(rounds: int, candidates: int, side: int) -> Graph:
    """The shipped loop with a body that paints nothing, and with nothing behind it."""
    policy = {"rounds": rounds, "candidates": candidates, "tolerance": 0.0}
    graph = workflow("feedback_loop", EmoFB_StartLoop=policy)
    kept = ("EmoFB_LoadEmbedded", "EmoFB_EmotionTarget", "EmoFB_StartLoop", "EmoFB_ScoreRound",
            "EmoFB_RefineRound", "EmoFB_EndLoop")  # fmt: skip
    graph = {key: node for key, node in graph.items() if node["class_type"] in kept}
    places = {node["class_type"]: key for key, node in graph.items()}
    start = places["EmoFB_StartLoop"]
    inputs = {"seed": [start, 2], "count": [start, 3], "side": side}
    graph["body"] = {"class_type": BODY, "inputs": inputs}
    graph[places["EmoFB_ScoreRound"]]["inputs"] |= {"images": ["body", 0], "explain": False}
    graph[places["EmoFB_RefineRound"]]["inputs"].pop("refiner", None)
    return graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("rounds", "candidates", "side"):
        parser.add_argument(name, type=int)
    tree = os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src"
    parser.add_argument("tree", nargs="?", type=Path, default=Path(tree), help="ComfyUI's folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        node = Path(folder) / "paints_nothing.py"
        node.write_text(NODE, encoding="utf-8")
        with start_comfy(asked.tree, Path(folder), (), node) as server:
            comfy = Comfy(server, "default")
            comfy.run(unpainted_loop(2, asked.candidates, asked.side))  # loads what stays loaded
            assert server.pid is not None
            process, seen = psutil.Process(server.pid), [0.0]
            before, over = process.memory_info().rss / 2**20, threading.Event()

            def watch() -> None:
                while not over.wait(0.2):
                    seen.append(process.memory_info().rss / 2**20)

            watcher = threading.Thread(target=watch)
            watcher.start()
            graph = unpainted_loop(asked.rounds, asked.candidates, asked.side)
            graph["3"]["inputs"]["seed"] = 99
            run = comfy.run(graph)
            over.set()
            watcher.join()
            assert run.end == "execution_success", run.message
            after = process.memory_info().rss / 2**20
    pictures = len(run.report["rounds"]) * asked.candidates
    sys.stdout.write(f"{pictures} pictures of {asked.side} px, MB of the server\n")
    sys.stdout.write(f"before {before:.0f}, most {max(seen):.0f}, after {after:.0f}: ")
    sys.stdout.write(f"{max(seen) - before:+.0f} at most, {after - before:+.0f} after\n")


if __name__ == "__main__":
    main()
