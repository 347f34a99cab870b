import { after } from "../../web/js/callbacks.js";
import { allNodes, nodeAt } from "../../web/js/graph.js";
import { recall, remember } from "../../web/js/results.js";

/** @param {string} id @param {Record<string, any>} nodes @returns {any} */
function graph(id, nodes) {
  return {
    id,
    nodes: Object.values(nodes),
    getNodeById: (/** @type {string} */ key) => nodes[key],
  };
}

test("another pack's callback still runs, first, and its answer is kept", () => {
  /** @type {string[]} */
  const heard = [];
  const node = /** @type {any} */ ({
    onExecuted: (/** @type {any} */ x) => (heard.push(`theirs ${x}`), "answer"),
  });
  after(node, "onExecuted", (x) => heard.push(`ours ${x}`));
  expect(node.onExecuted(7)).toBe("answer");
  expect(heard).toEqual(["theirs 7", "ours 7"]);
});

test("every node is found under the id that the server gives it, in nested subgraphs too", () => {
  const inner = graph("c", { 5: { id: 5 } });
  const middle = graph("b", { 3: { id: 3, subgraph: inner }, 4: { id: 4 } });
  const root = graph("a", { 1: { id: 1, subgraph: middle }, 2: { id: 2, subgraph: middle } });
  const paths = [...allNodes(root)].map(([path]) => path);
  expect(paths).toEqual(["1", "1:3", "1:3:5", "1:4", "2", "2:3", "2:3:5", "2:4"]);
  for (const [path, node] of allNodes(root)) expect(nodeAt(root, path)).toBe(node);
  for (const path of ["9", "1:9", "2:4:5", ""]) expect(nodeAt(root, path)).toBeNull();
});

describe("the last run of a node", () => {
  beforeEach(() => [sessionStorage, localStorage].forEach((storage) => storage.clear()));

  test("is this tab's own, else the newest of any tab", () => {
    remember("flow", "5", "first");
    sessionStorage.clear(); // another tab
    expect(recall("flow", "5")).toBe("first");
    remember("flow", "5", "second");
    localStorage.setItem("emofeedback.runs", JSON.stringify({ "flow/5": "third, from elsewhere" }));
    expect(recall("flow", "5")).toBe("second");
    expect(recall("flow", "6")).toBeUndefined();
    expect(recall("other", "5")).toBeUndefined();
  });

  test.each([["{"], ["null"], ["[]"], ['"text"']])("survives a store that holds %s", (text) => {
    localStorage.setItem("emofeedback.runs", text);
    sessionStorage.setItem("emofeedback.runs", text);
    expect(recall("flow", "5")).toBeUndefined();
    remember("flow", "5", "run");
    expect(recall("flow", "5")).toBe("run");
  });

  test("is forgotten, oldest first, before the store grows without end", () => {
    for (let index = 0; index < 250; index++) remember("flow", String(index), "run");
    expect(recall("flow", "0")).toBeUndefined();
    expect(recall("flow", "249")).toBe("run");
  });
});
