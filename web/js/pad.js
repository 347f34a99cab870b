/** The pad: a point on the valence-arousal plane to drag, move by keys, type or pick by word. */

import { html } from "./element.js";
import { AXES, CATEGORIES, LIMIT, STEP, fromBox, inWords, moved, toBox } from "./plane.js";

/** @typedef {import("./plane.js").Point} Point */

/**
 * What the pad shows.
 * @typedef {object} PadState
 * @property {Point} point
 * @property {string} word the preset, or CUSTOM
 * @property {{valence: boolean, arousal: boolean}} locked axes that come over a link
 * @property {string} problem what is wrong with the stored values, empty for nothing
 */

export const CUSTOM = "custom";
const RIM = 0.42; // where the region names stand, as a share of the side from the centre

/**
 * @param {object} options
 * @param {Record<string, [number, number]>} options.places word -> valence and arousal
 * @param {(point: Point) => void} options.onMove while the point moves, and when it stops
 * @param {(word: string) => void} options.onWord a word was picked
 * @param {() => void} options.onDone a change is complete: the moment for an undo step
 */
export function createPad({ places, onMove, onWord, onDone }) {
  /** @type {PadState} */
  let state = {
    point: { valence: 0, arousal: 0 },
    word: CUSTOM,
    locked: { valence: false, arousal: false },
    problem: "",
  };
  const knob = html("div", { class: "emofb-knob" });
  const plane = html(
    "div",
    {
      class: "emofb-plane",
      tabindex: 0,
      role: "slider",
      "aria-label": "Emotion: valence from left to right, arousal from bottom to top",
      "aria-roledescription": "two-dimensional slider",
      "aria-valuemin": -LIMIT,
      "aria-valuemax": LIMIT,
      title: "Drag, or use the arrow keys (Shift: larger steps). Double-click: neutral.",
    },
    ...regionNames(),
    ...wordDots(places),
    knob,
  );
  const numbers = { valence: numberField("valence"), arousal: numberField("arousal") };
  const words = html(
    "select",
    { class: "emofb-word", "aria-label": "Emotion word" },
    ...[CUSTOM, ...Object.keys(places)].map((word) => html("option", { value: word }, word)),
  );
  const note = html("div", { class: "emofb-note", role: "status" });
  const element = html(
    "div",
    { class: "emofb-pad", role: "group", "aria-label": "Emotion pad" },
    plane,
    html(
      "div",
      { class: "emofb-row" },
      html("label", {}, "V", numbers.valence),
      html("label", {}, "A", numbers.arousal),
      words,
    ),
    note,
  );

  /** @param {Point} point */
  function ask(point) {
    const { locked } = state;
    onMove({
      valence: locked.valence ? state.point.valence : point.valence,
      arousal: locked.arousal ? state.point.arousal : point.arousal,
    });
  }

  listenToPointer(plane, ask, onDone);
  listenToKeys(plane, () => state.point, ask, onDone);
  for (const axis of AXES)
    numbers[axis].addEventListener("change", () => {
      const value = numbers[axis].valueAsNumber;
      if (Number.isFinite(value)) ask({ ...state.point, [axis]: inside(value) });
      show(state); // what could not be taken is put back
      onDone();
    });
  words.addEventListener("change", () => {
    onWord(words.value);
    onDone();
  });
  // The canvas below would drag the node or take the keys for shortcuts.
  for (const kind of ["pointerdown", "dblclick", "contextmenu"])
    element.addEventListener(kind, (event) => event.stopPropagation());

  /** @param {PadState} next */
  function show(next) {
    state = next;
    const { x, y } = toBox(next.point);
    knob.style.left = `${x * 100}%`;
    knob.style.top = `${y * 100}%`;
    plane.setAttribute("aria-valuenow", String(next.point.valence));
    plane.setAttribute("aria-valuetext", inWords(next.point));
    for (const axis of AXES) {
      const text = String(Number(next.point[axis].toFixed(2)));
      if (document.activeElement !== numbers[axis] || Number(numbers[axis].value) !== Number(text))
        numbers[axis].value = text;
      numbers[axis].disabled = next.locked[axis];
    }
    plane.setAttribute("aria-disabled", String(next.locked.valence && next.locked.arousal));
    words.value = next.word;
    words.disabled = next.locked.valence || next.locked.arousal;
    const text = next.problem || told(next);
    if (note.textContent !== text) note.textContent = text;
    element.classList.toggle("emofb-wrong", next.problem !== "");
  }

  show(state);
  return { element, show };
}

/** @param {number} value */
function inside(value) {
  return Math.min(Math.max(value, -LIMIT), LIMIT);
}

/** @param {PadState} state */
function told({ point, locked }) {
  const linked = AXES.filter((axis) => locked[axis]);
  if (linked.length)
    return `${linked.join(" and ")} ${linked.length > 1 ? "come" : "comes"} over a link`;
  return inWords(point);
}

/** @param {"valence" | "arousal"} axis */
function numberField(axis) {
  return html("input", {
    type: "number",
    min: -LIMIT,
    max: LIMIT,
    step: STEP,
    "aria-label": axis,
    title: axis === "valence" ? "unpleasant -3 to pleasant 3" : "calm -3 to activated 3",
  });
}

function regionNames() {
  return CATEGORIES.map((name, index) => {
    const angle = (index * Math.PI) / 4;
    const [right, up] = [Math.cos(angle), Math.sin(angle)].map((part) =>
      Math.sign(Math.round(part * 9)),
    );
    const label = html("span", { class: "emofb-region", "aria-hidden": "true" }, name);
    label.style.left = `${50 + right * RIM * 100}%`;
    label.style.top = `${50 - up * (RIM + 0.03) * 100}%`;
    label.style.translate = `${-50 - right * 50}% -50%`;
    return label;
  });
}

/** @param {Record<string, [number, number]>} places */
function wordDots(places) {
  return Object.entries(places).map(([word, [valence, arousal]]) => {
    const { x, y } = toBox({ valence, arousal });
    const dot = html("span", { class: "emofb-dot", title: word, "aria-hidden": "true" });
    dot.style.left = `${x * 100}%`;
    dot.style.top = `${y * 100}%`;
    return dot;
  });
}

/**
 * @param {HTMLElement} plane
 * @param {(point: Point) => void} ask
 * @param {() => void} onDone
 */
function listenToPointer(plane, ask, onDone) {
  let dragging = false;
  /** @param {PointerEvent} event */
  const follow = (event) => {
    const box = plane.getBoundingClientRect(); // as seen: right under any zoom
    ask(fromBox((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
  };
  plane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    plane.setPointerCapture?.(event.pointerId);
    plane.focus({ preventScroll: true });
    follow(event);
    event.preventDefault();
  });
  plane.addEventListener("pointermove", (event) => {
    if (!dragging) return;
    event.stopPropagation();
    follow(event);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"])
    plane.addEventListener(kind, () => {
      if (!dragging) return;
      dragging = false;
      onDone();
    });
  plane.addEventListener("dblclick", () => {
    ask({ valence: 0, arousal: 0 });
    onDone();
  });
}

/**
 * @param {HTMLElement} plane
 * @param {() => Point} current
 * @param {(point: Point) => void} ask
 * @param {() => void} onDone
 */
function listenToKeys(plane, current, ask, onDone) {
  let changed = false;
  const done = () => {
    if (changed) onDone();
    changed = false;
  };
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const point = moved(current(), event);
    if (!point) return;
    event.preventDefault();
    event.stopPropagation();
    changed = true;
    ask(point);
  });
  // A key held down is one change, and so one step of undo.
  plane.addEventListener("keyup", done);
  plane.addEventListener("blur", done);
}
