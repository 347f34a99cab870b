/** Going on from a loop that ended: the widget that says so, on the node where the loop starts. */

import { allNodes } from "./graph.js";

/** @typedef {Comfy.Node} Node */
/** @typedef {import("./strip.js").Choice} Choice */

const START = "EmoFB_StartLoop";
const WIDGET = "resume";

/** @param {Node | null | undefined} node */
function widgetOf(node) {
  return node?.widgets?.find(({ name }) => name === WIDGET);
}

/**
 * The widget of the loop that a node shows: its own, or that of the node its start comes from; by
 * another way than a link, of the only one that there is.
 * @param {Node} node
 * @param {Comfy.Graph} root
 * @returns {Comfy.Widget | undefined}
 */
export function resumeWidget(node, root) {
  const slot = node.inputs?.findIndex(({ name }) => name === "start") ?? -1;
  // a node that was taken from its graph, say into a block, may not be asked
  const linked = slot < 0 || node.graph === null ? null : node.getInputNode?.(slot);
  const own = widgetOf(node) ?? widgetOf(linked);
  if (own) return own;
  const starts = [...allNodes(root)].filter(([, other]) => other.comfyClass === START);
  return starts.length === 1 ? widgetOf(starts[0][1]) : undefined;
}

/**
 * What the widget holds.
 * @param {string} run
 * @param {Choice | null} choice the candidate to go on from
 * @param {number} rounds
 */
export function resumeText(run, choice, rounds) {
  return `${run}:${choice?.round ?? 0}:${choice?.candidate ?? 0}:${rounds}`;
}
