/** A run of the loop as the page knows it: the sum of the events that the server told. */

/**
 * @typedef {object} Candidate
 * @property {number} valence
 * @property {number} arousal
 * @property {[number, number]} uncertainty standard deviations
 * @property {number} gap distance to the target
 * @property {string[]} words
 * @property {{name: string, direction: string, where: string}[]} cues
 * @property {string} rationale
 * @property {number | null} content 0..1, shows the prompt; null where unknown
 * @property {string} thumbnail data URL
 */

/**
 * @typedef {object} Round
 * @property {number} number
 * @property {string} prompt
 * @property {number} best index of its best candidate
 * @property {Candidate[]} candidates
 */

/**
 * @typedef {object} Refinement
 * @property {string} prompt the next round's
 * @property {string} refiner
 * @property {{text: string, reason: string}[]} suggestions
 */

/** @typedef {{pictures: number, steps: number, tokens: number, seconds: number}} Cost */

/**
 * @typedef {object} Plan
 * @property {string} prompt
 * @property {{valence: number, arousal: number}} target
 * @property {number} rounds at most
 * @property {number} candidates a round
 * @property {number} tolerance
 */

/**
 * @typedef {object} Run
 * @property {Plan | null} plan
 * @property {Map<number, Round>} rounds
 * @property {Map<number, Refinement>} refinements what followed a round; 0: what came before the
 *   first
 * @property {Set<number>} skipped
 * @property {{round: number, candidate: number, gap: number} | null} best
 * @property {Cost | null} cost
 * @property {{what: string, round: number} | null} doing
 * @property {string} ended why it stopped, empty while it goes on
 * @property {string[]} warnings
 */

/** @returns {Run} */
export function emptyRun() {
  return {
    plan: null,
    rounds: new Map(),
    refinements: new Map(),
    skipped: new Set(),
    best: null,
    cost: null,
    doing: null,
    ended: "",
    warnings: [],
  };
}

/** @param {unknown} value */
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** @param {any} candidate */
function isCandidate(candidate) {
  return (
    [candidate?.valence, candidate?.arousal, candidate?.gap].every(isNumber) &&
    candidate.uncertainty?.length === 2 &&
    candidate.uncertainty.every(isNumber) &&
    Array.isArray(candidate.words) &&
    Array.isArray(candidate.cues) &&
    /^data:image\/jpeg;base64,[\w+/=]*$/.test(candidate.thumbnail)
  );
}

/** @type {Record<string, (run: Run, event: any) => void>} */
const TAKE = {
  start(run, event) {
    if (isNumber(event.target?.valence) && isNumber(event.target?.arousal)) run.plan = event;
  },
  round(run, event) {
    if (!Array.isArray(event.candidates) || !event.candidates.every(isCandidate)) return;
    if (!event.candidates[event.best]) return;
    const { round: number, prompt, best, candidates } = event;
    run.rounds.set(number, { number, prompt, best, candidates });
  },
  refined(run, event) {
    if (Array.isArray(event.suggestions)) run.refinements.set(event.round, event);
  },
  skipped(run, event) {
    run.skipped.add(event.round);
  },
  doing(run, event) {
    if (!run.ended) run.doing = { what: event.what, round: event.round };
  },
  end(run, event) {
    run.ended = String(event.stop_reason);
    run.warnings = event.warnings ?? [];
    run.doing = null;
  },
};

/**
 * Adds events to a run. Told twice, an event changes nothing; what it does not know, it leaves out.
 * @param {Run} run changed in place
 * @param {any[]} events
 */
export function take(run, events) {
  for (const event of events) {
    if (!event || !Object.hasOwn(TAKE, event.kind)) continue;
    TAKE[event.kind](run, event);
    if (event.best_so_far && isNumber(event.best_so_far.gap)) run.best = event.best_so_far;
    if (isNumber(event.cost?.pictures) && event.cost.pictures >= (run.cost?.pictures ?? 0))
      run.cost = event.cost;
  }
}

/**
 * The rounds that were read, oldest first.
 * @param {Run} run
 */
export function roundsOf(run) {
  return [...run.rounds.values()].sort((one, other) => one.number - other.number);
}

/**
 * What the run has cost, for people.
 * @param {Cost} cost
 */
export function costInWords({ pictures, steps, tokens, seconds }) {
  const parts = [
    [pictures, "picture"],
    [steps, "step"],
    [tokens, "token"],
  ]
    .filter(([count]) => count)
    .map(([count, name]) => `${count} ${name}${count === 1 ? "" : "s"}`);
  return [...parts, duration(seconds)].join(" · ");
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
