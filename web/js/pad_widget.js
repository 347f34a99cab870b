/** The pad on a node: a view of its number widgets, which stay what is stored and submitted. */

import { after } from "./callbacks.js";
import { mark } from "./mounts.js";
import { CUSTOM, createPad } from "./pad.js";
import { AXES, snapped, understood } from "./plane.js";

/** @typedef {Comfy.Node} Node */
/** @typedef {Comfy.Widget} Widget */

const HEIGHT = 334;

/**
 * Puts a pad below the widgets of a node that has `valence`, `arousal` and `preset`.
 * @param {Node} node
 * @param {Record<string, [number, number]>} places word -> valence and arousal
 * @param {() => void} onDone asks for an undo step
 */
export function addPad(node, places, onDone) {
  const widgets = Object.fromEntries((node.widgets ?? []).map((widget) => [widget.name, widget]));
  const { valence, arousal, preset } = widgets;
  if (!valence || !arousal || !preset) return;
  /** @type {Partial<Record<"valence" | "arousal", number>>} */
  const ran = {}; // what came over the links when the node ran last
  let [writing, shown] = [false, ""];

  const pad = createPad({
    places,
    onMove(point) {
      const repaired = { valence: snapped(point.valence), arousal: snapped(point.arousal) };
      write(() => {
        for (const axis of AXES) if (!linked(node, axis)) set(widgets[axis], repaired[axis]);
        if (preset.value !== CUSTOM) set(preset, CUSTOM);
      });
    },
    onWord(word) {
      write(() => {
        set(preset, word);
        takeWord(word);
      });
    },
    onDone,
  });

  /** @param {() => void} change */
  function write(change) {
    writing = true;
    try {
      change();
    } finally {
      writing = false;
    }
    refresh();
    node.setDirtyCanvas?.(true, true);
  }

  /** @param {unknown} word */
  function takeWord(word) {
    const place = places[String(word)];
    if (!place) return;
    AXES.forEach((axis, index) => {
      if (!linked(node, axis)) set(widgets[axis], snapped(place[index]));
    });
  }

  /** The pad has fields for these rows; one that is linked stays, since its socket is there. */
  function replaceRows() {
    let changed = false;
    for (const widget of [valence, arousal, preset]) {
      const hidden = !linked(node, widget.name);
      changed ||= widget.hidden !== hidden;
      widget.hidden = hidden; // of the classic canvas
      if (widget.options) widget.options.hidden = hidden; // of Nodes 2.0
    }
    if (changed && node.widgets) node.widgets = [...node.widgets]; // or it would not look again
  }

  function refresh() {
    const locked = { valence: linked(node, "valence"), arousal: linked(node, "arousal") };
    const read = {
      valence: understood("valence", valence.value),
      arousal: understood("arousal", arousal.value),
    };
    const place = places[String(preset.value)];
    const next = {
      point: {
        valence: place?.[0] ?? (locked.valence ? (ran.valence ?? 0) : read.valence.value),
        arousal: place?.[1] ?? (locked.arousal ? (ran.arousal ?? 0) : read.arousal.value),
      },
      word: place ? String(preset.value) : CUSTOM,
      locked,
      problem:
        AXES.filter((axis) => !locked[axis])
          .map((axis) => read[axis].problem)
          .find(Boolean) ?? "",
    };
    const text = JSON.stringify(next);
    if (text !== shown) pad.show(next); // the classic canvas asks in every frame
    shown = text;
  }

  for (const widget of [valence, arousal, preset]) {
    const before = widget.callback;
    widget.callback = function (...rest) {
      const result = before?.apply(this, rest);
      if (!writing) widget === preset ? write(() => takeWord(preset.value)) : refresh();
      return result;
    };
  }
  after(node, "onConfigure", () => {
    replaceRows();
    refresh();
  });
  after(node, "onConnectionsChange", () => {
    replaceRows();
    refresh();
  });
  after(node, "onExecuted", (output) => {
    const felt = output?.emofb_emotion?.[0];
    if (!Array.isArray(felt)) return;
    [ran.valence, ran.arousal] = felt;
    refresh();
  });
  mark(pad.element);
  const widget = node.addDOMWidget("pad", "emofb_pad", pad.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT,
    onDraw: refresh,
  });
  widget.serialize = false;
  replaceRows();
  refresh();
}

/**
 * Whether an axis comes over a link.
 * @param {Node} node
 * @param {string} axis
 */
function linked(node, axis) {
  return (node.inputs ?? []).some((input) => input.name === axis && input.link != null);
}

/**
 * @param {Widget} widget
 * @param {unknown} value
 */
function set(widget, value) {
  if (widget.value === value) return;
  widget.value = value;
  widget.callback?.(value);
}
