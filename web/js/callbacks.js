/** Adding to a node's callbacks without taking away what others put there. */

/**
 * Runs `more` after a callback of the node, whoever set it before.
 * @param {Comfy.Node} node
 * @param {"onConfigure" | "onConnectionsChange" | "onExecuted"} name
 * @param {(argument: any) => void} more gets the callback's first argument
 */
export function after(node, name, more) {
  const before = node[name];
  node[name] = function (...rest) {
    const result = before?.apply(this, rest);
    more(rest[0]);
    return result;
  };
}
