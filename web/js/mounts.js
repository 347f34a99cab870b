/** Keeps our elements where they belong when ComfyUI makes a node anew under the same id. */

/** @typedef {Comfy.Node} Node */

const OURS = "emofb-widget";

/**
 * Marks an element as the DOM widget of a node.
 * @param {HTMLElement} element
 */
export function mark(element) {
  element.classList.add(OURS);
}

/**
 * Nodes 2.0 keeps a widget's place on the page, with the element that was put there first, when
 * undo or another graph brings a new node with the same id: that element belongs to a node that
 * is gone. This puts the present node's element in its place.
 * @param {Iterable<Node>} nodes the nodes that are shown
 */
export function remount(nodes) {
  for (const node of nodes) {
    const element = node.widgets?.find((widget) =>
      widget.element?.classList.contains(OURS),
    )?.element;
    const shown = element && document.querySelector(`[data-node-id="${node.id}"] .${OURS}`);
    if (element && shown && shown !== element) shown.replaceWith(element);
  }
}
