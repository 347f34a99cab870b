/** The valence-arousal plane as numbers: limits, steps, keys and names of its regions. */

export const LIMIT = 3;
export const STEP = 0.05;
const KEY_STEP = 0.1;
const KEY_LEAP = 0.5;
const NEUTRAL_RADIUS = 0.5;

/**
 * A place on the plane, both axes from -3 to 3.
 * @typedef {{valence: number, arousal: number}} Point
 */

/** @type {("valence" | "arousal")[]} */
export const AXES = ["valence", "arousal"];

/** Russell's sectors of 45 degrees, counter-clockwise from pleasure. */
export const CATEGORIES = [
  "pleasure",
  "excitement",
  "arousal",
  "distress",
  "displeasure",
  "depression",
  "sleepiness",
  "relaxation",
];

/**
 * The nearest value on the axis that the number widgets can hold.
 * @param {number} value
 */
export function snapped(value) {
  const inside = Math.min(Math.max(value, -LIMIT), LIMIT);
  return Number((Math.round(inside / STEP) * STEP).toFixed(2)) + 0; // + 0: no negative zero
}

/**
 * What a stored value means: the number to show, and what is wrong with it (empty: nothing).
 * @param {string} axis
 * @param {unknown} stored
 * @returns {{value: number, problem: string}}
 */
export function understood(axis, stored) {
  const number = typeof stored === "string" && stored.trim() ? Number(stored) : stored;
  if (typeof number !== "number" || !Number.isFinite(number))
    return { value: 0, problem: `${axis} is ${JSON.stringify(stored) ?? stored}, not a number` };
  if (Math.abs(number) > LIMIT)
    return { value: Math.sign(number) * LIMIT, problem: `${axis} is ${number}, beyond 3` };
  return { value: number, problem: "" };
}

/**
 * Where a point lies in a box whose upper left corner is (0, 0) and lower right (1, 1).
 * @param {Point} point
 */
export function toBox({ valence, arousal }) {
  return { x: (valence / LIMIT + 1) / 2, y: (1 - arousal / LIMIT) / 2 };
}

/**
 * The point under a place in that box, on the widgets' grid; places outside give the nearest edge.
 * @param {number} x
 * @param {number} y
 * @returns {Point}
 */
export function fromBox(x, y) {
  return { valence: snapped((2 * x - 1) * LIMIT), arousal: snapped((1 - 2 * y) * LIMIT) };
}

/** @type {Record<string, [number, number, boolean]>} */
const KEYS = {
  ArrowRight: [1, 0, false],
  ArrowLeft: [-1, 0, false],
  ArrowUp: [0, 1, false],
  ArrowDown: [0, -1, false],
  PageUp: [0, 1, true],
  PageDown: [0, -1, true],
};

/**
 * Where a key moves the point, null for keys that do not.
 * @param {Point} point
 * @param {{key: string, shiftKey?: boolean}} event
 * @returns {Point | null}
 */
export function moved(point, { key, shiftKey = false }) {
  if (key === "Home") return { valence: 0, arousal: 0 };
  const [right, up, far] = KEYS[key] ?? [0, 0, false];
  if (!right && !up) return null;
  const step = far || shiftKey ? KEY_LEAP : KEY_STEP;
  return {
    valence: snapped(point.valence + right * step),
    arousal: snapped(point.arousal + up * step),
  };
}

/**
 * The region's name: one of CATEGORIES, or "neutral" near the centre.
 * @param {Point} point
 */
export function category({ valence, arousal }) {
  if (Math.hypot(valence, arousal) < NEUTRAL_RADIUS) return "neutral";
  const turn = Math.round(Math.atan2(arousal, valence) / (Math.PI / 4));
  return CATEGORIES[(turn + 8) % 8];
}

/**
 * Two places, rounded as Python does in nodes, charts and reports: a half goes to the even digit
 * (toFixed takes the larger), and nothing is a negative zero.
 * @param {number} value
 */
export function rounded(value) {
  const hundredths = value * 100;
  const half = Number.isInteger(value * 8) && Math.abs(hundredths % 1) === 0.5;
  const text = (half ? (2 * Math.round(hundredths / 2)) / 100 : value).toFixed(2);
  return text === "-0.00" ? "0.00" : text;
}

/**
 * A number with its sign, as everywhere in this pack: +1.50.
 * @param {number} value
 */
export function signed(value) {
  const text = rounded(value);
  return text.startsWith("-") ? text : `+${text}`;
}

/**
 * A point for people and screen readers.
 * @param {Point} point
 */
export function inWords(point) {
  return `valence ${signed(point.valence)}, arousal ${signed(point.arousal)} (${category(point)})`;
}
