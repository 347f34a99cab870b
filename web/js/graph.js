/** Finding nodes of the artist's graph, inside subgraphs too. */

/** @typedef {Comfy.Node} Node */
/** @typedef {Comfy.Graph} Graph */

/**
 * The node that an execution id names: "5", or "12:5" for node 5 inside the subgraph node 12.
 * @param {Graph} root
 * @param {string} path
 * @returns {Node | null}
 */
export function nodeAt(root, path) {
  /** @type {Graph | undefined} */
  let graph = root;
  /** @type {Node | null} */
  let node = null;
  for (const id of path.split(":")) {
    node = graph?.getNodeById(id) ?? null;
    if (!node) return null;
    graph = node.subgraph;
  }
  return node;
}

/**
 * Every node with its execution id; the nodes of a subgraph once for each place it is used in.
 * @param {Graph} graph
 * @param {string} [prefix]
 * @returns {Generator<[string, Node]>}
 */
export function* allNodes(graph, prefix = "") {
  for (const node of graph.nodes) {
    yield [`${prefix}${node.id}`, node];
    if (node.subgraph) yield* allNodes(node.subgraph, `${prefix}${node.id}:`);
  }
}

/**
 * Sets a widget as if the artist had.
 * @param {Comfy.Widget} widget
 * @param {string} value
 */
export function setWidget(widget, value) {
  widget.value = value;
  widget.callback?.(value);
}
