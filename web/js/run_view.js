/** The panel on the loop's node: where the run stands, its path, its pictures, its words. */

import { html } from "./element.js";
import { inWords, rounded } from "./plane.js";
import { chosenOf, costInWords, emptyRun, roundsOf, wasRead } from "./run_model.js";
import { createStrip } from "./strip.js";
import { drawRun } from "./trajectory.js";

/** @typedef {import("./run_model.js").Run} Run */
/** @typedef {import("./run_model.js").Round} Round */
/** @typedef {import("./trajectory.js").Spot} Spot */
/** @typedef {import("./strip.js").Choice} Choice */
/**
 * @typedef {object} State
 * @property {boolean} going it runs, and this page may steer it
 * @property {boolean} [asked] something was asked of it that is not done yet
 * @property {string} [note] in the place of where it stands
 * @property {Choice | null} [choice] the candidate that was clicked
 * @property {boolean} [resumable] it has ended, and can be gone on from
 * @property {boolean} [resumes] the next run goes on from an earlier one
 */

const EMPTY = "Run the workflow: the path over the plane shows here while it goes.";

/**
 * @param {object} options
 * @param {() => void} options.onAccept
 * @param {() => void} options.onSkip
 * @param {(choice: Choice) => void} options.onChoose
 * @param {(rounds: number) => void} options.onContinue
 * @param {() => void} options.onStartOver
 * @param {string} options.cutAt when *Accept now* acts, in words
 */
export function createRunView({ onAccept, onSkip, onChoose, onContinue, onStartOver, cutAt }) {
  let run = emptyRun();
  /** @type {Spot[]} */
  let spots = [];
  let [spot, chosen] = [-1, 0]; // chosen 0: follow the newest round

  const status = html("div", { class: "emofb-status", role: "status" });
  const drawing = html("div", { class: "emofb-drawing" });
  const card = html("div", { class: "emofb-card", role: "status", hidden: true });
  const plot = html(
    "div",
    {
      class: "emofb-plot",
      tabindex: 0,
      role: "group",
      "aria-label": "Path over the plane; arrow keys go from picture to picture",
    },
    drawing,
    card,
  );
  const back = html("button", { type: "button", "aria-label": "Round before" }, "‹");
  const on = html("button", { type: "button", "aria-label": "Round after" }, "›");
  const title = html("span", { class: "emofb-title" });
  const nav = html("div", { class: "emofb-nav" }, back, title, on);
  const words = html("div", {
    class: "emofb-words",
    tabindex: 0,
    role: "group",
    "aria-label": "Prompt and reasons",
  });
  const cost = html("div", { class: "emofb-cost" });
  const accept = html(
    "button",
    {
      type: "button",
      title: `End the loop ${cutAt} and keep the best picture so far.`,
    },
    "Accept now",
  );
  const skip = html(
    "button",
    { type: "button", title: "Throw away the pictures being made and go on with other seeds." },
    "Skip this round",
  );
  const more = html("input", {
    type: "number",
    min: 1,
    max: 99,
    value: 3,
    "aria-label": "Rounds to go on with",
  });
  const goOn = html(
    "button",
    {
      type: "button",
      title: "Queue the loop again: it goes on from here, or from the picture that is pressed.",
    },
    "Continue",
  );
  const over = html(
    "button",
    { type: "button", title: "The next run starts a new loop instead of going on from this one." },
    "Start over",
  );
  const buttons = html("div", { class: "emofb-buttons" }, accept, skip);
  const after = html("div", { class: "emofb-buttons" }, goOn, more, "rounds", over);
  const strip = createStrip(onChoose);
  const element = html(
    "div",
    { class: "emofb-run", role: "group", "aria-label": "Emotion loop" },
    status,
    plot,
    nav,
    strip.element,
    words,
    cost,
    buttons,
    after,
  );

  accept.addEventListener("click", onAccept);
  skip.addEventListener("click", onSkip);
  over.addEventListener("click", onStartOver);
  goOn.addEventListener("click", () =>
    onContinue(Math.min(99, Math.max(1, more.valueAsNumber || 1))),
  );
  more.addEventListener("keydown", (event) => event.stopPropagation());
  for (const [button, step] of /** @type {const} */ ([
    [back, -1],
    [on, 1],
  ]))
    button.addEventListener("click", () => {
      const numbers = roundsOf(run).map((round) => round.number);
      const place = numbers.indexOf(chosen || (numbers.at(-1) ?? 0)) + step;
      chosen = place === numbers.length - 1 ? 0 : (numbers[place] ?? chosen);
      showWords();
    });
  plot.addEventListener("pointerover", (event) => {
    const found = /** @type {Element} */ (event.target).getAttribute("data-spot");
    if (found !== null) point(Number(found));
  });
  plot.addEventListener("pointerleave", () => point(-1));
  plot.addEventListener("blur", () => point(-1));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !spots.length) return;
    event.preventDefault();
    event.stopPropagation();
    point((Math.max(spot, step > 0 ? -1 : 0) + step + spots.length) % spots.length);
  });
  for (const kind of ["pointerdown", "dblclick"])
    element.addEventListener(kind, (event) => event.stopPropagation());

  /** @param {number} index */
  function point(index) {
    spot = index < spots.length ? index : -1;
    drawing.querySelector(".emofb-on")?.classList.remove("emofb-on");
    card.hidden = spot < 0;
    if (spot < 0) return;
    drawing.querySelector(`[data-spot="${spot}"]`)?.classList.add("emofb-on");
    card.replaceChildren(...cardOf(spots[spot]));
    // On the half of the plot that the spot leaves free.
    card.classList.toggle("emofb-low", spots[spot].candidate.arousal > 0);
  }

  function showWords() {
    const rounds = roundsOf(run);
    const place = chosen ? rounds.findIndex((round) => round.number === chosen) : rounds.length - 1;
    const round = rounds[place];
    back.disabled = place <= 0;
    on.disabled = place < 0 || place === rounds.length - 1;
    title.textContent = round ? `Round ${round.number}` : "";
    words.replaceChildren(
      ...(round ? wordsOf(round, run) : []),
      ...(place <= 0 ? beginningOf(run) : []),
      ...run.warnings.map((text) => html("p", { class: "emofb-warning" }, text)),
    );
  }

  /**
   * @param {Run} next
   * @param {State} state
   */
  function show(next, { going, asked, note, choice, resumable, resumes }) {
    run = next;
    const drawn = drawRun(run);
    spots = drawn.spots;
    drawing.replaceChildren(drawn.element);
    plot.hidden = nav.hidden = !run.plan;
    status.textContent = note || statusOf(run);
    cost.textContent = run.cost ? costInWords(run.cost) : "";
    accept.disabled = !going || Boolean(asked);
    skip.disabled = !going || Boolean(asked) || !run.doing?.skippable;
    buttons.hidden = Boolean(resumable || resumes);
    after.hidden = !buttons.hidden;
    goOn.disabled = !resumable;
    over.hidden = !resumes;
    strip.show(run, choice ?? null);
    showWords();
    point(spot);
  }

  show(run, { going: false });
  return { element, show };
}

/** @param {Run} run */
function statusOf(run) {
  if (!run.plan) return EMPTY;
  const best = run.best
    ? `${chosenOf(run) ? "your choice has gap" : "best gap"} ${rounded(run.best.gap.size)} in round ${run.best.round}`
    : "";
  if (run.ended) return `Done, ${run.ended}: ${best}`;
  const doing = run.doing
    ? `Round ${run.doing.round} of ${run.plan.rounds}: ${run.doing.what}`
    : "";
  return [doing, best].filter(Boolean).join("; ");
}

/** @param {Spot} spot */
function cardOf({ round, index, candidate }) {
  const [v, a] = candidate.uncertainty.map(rounded);
  const lines = [
    `Round ${round}, picture ${index + 1}: gap ${rounded(candidate.gap.size)}`,
    `${inWords(candidate)}, give or take ${v} and ${a}`,
    candidate.words.join(", "),
  ];
  return [
    html("img", { src: candidate.thumbnail, alt: `Picture ${index + 1} of round ${round}` }),
    html("div", {}, ...lines.filter(Boolean).map((line) => html("div", {}, line))),
  ];
}

/**
 * How the first round's prompt was rewritten; nothing where it is the artist's own.
 * @param {Run} run
 */
function beginningOf(run) {
  const refinement = run.refinements.get(0);
  if (!run.plan || !refinement) return [];
  return [
    html("p", {}, "Before the first picture: ", ...changed(refinement.changes)),
    ...reasonsOf(refinement),
  ];
}

const TAGS = /** @type {const} */ ({ same: "span", added: "ins", removed: "del" });

/** @param {import("./run_model.js").Piece[]} pieces */
function changed(pieces) {
  return pieces.map(({ change, text }) => html(TAGS[change] ?? "span", {}, text));
}

/** @param {import("./run_model.js").Refinement | undefined} refinement */
function reasonsOf(refinement) {
  return (refinement?.suggestions ?? []).map(({ text, reason }) =>
    html("p", { class: "emofb-reason" }, reason ? `${text} (${reason})` : text),
  );
}

/**
 * @param {Round} round
 * @param {Run} run
 */
function wordsOf(round, run) {
  const best = round.candidates[round.best - 1];
  if (!wasRead(best)) return [];
  const refinement = run.refinements.get(round.number);
  // What the rationale says anyway is not said twice.
  const cues = best.cues
    .filter((cue) => !best.rationale.includes(cue.name))
    .map((cue) => [cue.name, cue.direction].filter(Boolean).join(": "));
  return [
    html(
      "div",
      { class: "emofb-best-row" },
      html("img", { src: best.thumbnail, alt: `Best picture of round ${round.number}` }),
      html("p", {}, ...(refinement ? changed(refinement.changes) : [round.prompt])),
    ),
    ...reasonsOf(refinement),
    ...(cues.length ? [html("p", { class: "emofb-reason" }, `Seen: ${cues.join("; ")}`)] : []),
    ...(best.rationale ? [html("p", { class: "emofb-reason" }, best.rationale)] : []),
  ];
}
