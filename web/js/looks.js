/** How our nodes look when they are new: wide enough for their texts, sockets of one colour each. */

/** @typedef {Comfy.Node} Node */

const SOCKETS = {
  EMO_EMOTION: "#f5a524",
  EMO_SCORER: "#4fc3f7",
  EMO_READINGS: "#c792ea",
  EMO_STATE: "#66d9a3",
};
const TITLE_FONT = "14px Arial";
const TEXT_FONT = "12px Arial";
// What stands beside the texts: dots, buttons for less and more, borders.
const BESIDE_TITLE = 60;
const BESIDE_SLOTS = 60;
const BESIDE_WIDGET = 110;

/**
 * Gives our sockets and wires their colours, unless a palette of the artist's brings others.
 * @param {Record<string, string>[]} records where the classic canvas keeps its colours
 * @param {CSSStyleDeclaration} style of an element around the nodes; Nodes 2.0 reads it
 */
export function colourSockets(records, style) {
  for (const [type, colour] of Object.entries(SOCKETS)) {
    // A palette that does not know a type sets it to nothing.
    style.setProperty(`--color-datatype-${type}`, colour);
    for (const record of records) {
      let chosen = record[type] || colour;
      Object.defineProperty(record, type, {
        enumerable: true,
        get: () => chosen,
        set: (value) => (chosen = value || colour),
      });
    }
  }
}

/**
 * The width that a node's title, sockets and widgets need.
 * @param {Node} node
 */
export function neededWidth(node) {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 0;
  /** @param {string} font @param {...unknown} texts */
  const width = (font, ...texts) => {
    context.font = font;
    const widths = texts.map((text) => context.measureText(String(text ?? "")).width);
    return widths.reduce((sum, each) => sum + each, 0);
  };
  /** @param {Comfy.Slot} [slot] */
  const shown = (slot) => slot?.label ?? slot?.localized_name ?? slot?.name;
  const inputs = (node.inputs ?? []).filter((input) => !input.widget);
  const rows = Math.max(inputs.length, node.outputs?.length ?? 0);
  const slots = Array.from({ length: rows }, (_, row) =>
    width(TEXT_FONT, shown(inputs[row]), shown(node.outputs?.[row])),
  );
  const widgets = (node.widgets ?? [])
    .filter((widget) => !widget.element)
    .map((widget) => width(TEXT_FONT, widget.label ?? widget.name, widget.value));
  return Math.max(
    width(TITLE_FONT, node.title) + BESIDE_TITLE,
    Math.max(0, ...slots) + BESIDE_SLOTS,
    Math.max(0, ...widgets) + BESIDE_WIDGET,
  );
}
