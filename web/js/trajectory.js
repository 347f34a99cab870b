/** The run on the plane: target, aims, candidates with their uncertainty, the path of the best. */

import { svg } from "./element.js";
import { LIMIT } from "./plane.js";
import { roundsOf, wasRead } from "./run_model.js";

/** @typedef {import("./run_model.js").Run} Run */
/** @typedef {import("./run_model.js").Candidate} Candidate */
/** @typedef {{round: number, index: number, candidate: Candidate}} Spot */

const EDGE = 3.35; // room for points on the rim
const MOST_ELLIPSES = 160; // more would be a fog: then only the best of each round keep theirs

/**
 * Colours of rounds from first to last, blue to yellow: a scale that colour-blind eyes tell apart.
 * @param {number} share 0..1
 */
function roundColour(share) {
  const hue = 255 - 200 * share;
  return `hsl(${hue.toFixed(0)} 75% ${(52 + 8 * share).toFixed(0)}%)`;
}

/**
 * The picture, and the spots on it in the order of rounds and candidates.
 * @param {Run} run
 * @returns {{element: SVGSVGElement, spots: Spot[]}}
 */
export function drawRun(run) {
  const rounds = roundsOf(run);
  const element = svg(
    "svg",
    { viewBox: `${-EDGE} ${-EDGE} ${2 * EDGE} ${2 * EDGE}`, "aria-hidden": "true" },
    ...frame(),
  );
  const most = rounds.reduce((sum, round) => sum + round.candidates.length, 0);
  /** @type {Spot[]} */
  const spots = [];
  for (const [place, round] of rounds.entries()) {
    const colour = roundColour(rounds.length > 1 ? place / (rounds.length - 1) : 0);
    const group = svg("g", { fill: colour, stroke: colour });
    for (const [index, candidate] of round.candidates.entries()) {
      if (!wasRead(candidate)) continue;
      const isBest = index === round.best - 1;
      if (isBest || most <= MOST_ELLIPSES) group.append(ellipse(candidate));
      group.append(dot(candidate, isBest, spots.length));
      spots.push({ round: round.number, index, candidate });
    }
    element.append(group);
  }
  const path = rounds
    .map((round) => round.candidates[round.best - 1])
    .filter(wasRead)
    .map((best) => at(best).join(","))
    .join(" ");
  element.append(svg("polyline", { points: path, class: "emofb-path" }));
  element.append(
    ...rounds
      .map((round) => round.aim)
      .filter((aim) => aim !== null)
      .map((aim) => aimed(aim)),
  );
  if (run.plan) element.append(...target(run.plan.target, run.plan.tolerance));
  const best = run.best && run.rounds.get(run.best.round)?.candidates[run.best.candidate - 1];
  if (best && wasRead(best)) {
    const [cx, cy] = at(best);
    element.append(svg("circle", { cx, cy, r: 0.19, class: "emofb-best" }));
  }
  return { element, spots };
}

/** @param {{valence: number, arousal: number}} point */
function at({ valence, arousal }) {
  return [valence, -arousal];
}

function frame() {
  const side = 2 * LIMIT;
  return [
    svg("rect", { x: -LIMIT, y: -LIMIT, width: side, height: side, class: "emofb-frame" }),
    svg("line", { x1: -LIMIT, x2: LIMIT, y1: 0, y2: 0, class: "emofb-axis" }),
    svg("line", { x1: 0, x2: 0, y1: -LIMIT, y2: LIMIT, class: "emofb-axis" }),
    ...[
      ["pleasant", LIMIT - 0.08, -0.1, "end"],
      ["unpleasant", -LIMIT + 0.08, -0.1, "start"],
      ["activated", 0.08, -LIMIT + 0.32, "start"],
      ["calm", 0.08, LIMIT - 0.12, "start"],
    ].map(([name, x, y, anchor]) => svg("text", { x, y, "text-anchor": anchor }, String(name))),
  ];
}

/** @param {Candidate} candidate */
function ellipse(candidate) {
  const [cx, cy] = at(candidate);
  const [rx, ry] = candidate.uncertainty;
  return svg("ellipse", { cx, cy, rx, ry, class: "emofb-doubt" });
}

/**
 * @param {Candidate} candidate
 * @param {boolean} isBest
 * @param {number} spot
 */
function dot(candidate, isBest, spot) {
  const [cx, cy] = at(candidate);
  return svg("circle", { cx, cy, r: isBest ? 0.13 : 0.09, class: "emofb-spot", "data-spot": spot });
}

/**
 * What the loop handed to the body, as a diamond.
 * @param {{valence: number, arousal: number}} point
 */
function aimed(point) {
  const [x, y] = at(point);
  const points = `${x},${y - 0.15} ${x + 0.15},${y} ${x},${y + 0.15} ${x - 0.15},${y}`;
  return svg("polygon", { points, class: "emofb-aim" });
}

/**
 * @param {{valence: number, arousal: number}} point
 * @param {number} tolerance
 */
function target(point, tolerance) {
  const [x, y] = at(point);
  const corners = Array.from({ length: 10 }, (_, index) => {
    const radius = index % 2 ? 0.1 : 0.25;
    const angle = (index * Math.PI) / 5;
    return `${(x + radius * Math.sin(angle)).toFixed(3)},${(y - radius * Math.cos(angle)).toFixed(3)}`;
  });
  const near = svg("circle", { cx: x, cy: y, r: tolerance, class: "emofb-near" });
  return [
    ...(tolerance > 0 ? [near] : []),
    svg("polygon", { points: corners.join(" "), class: "emofb-target" }),
  ];
}
