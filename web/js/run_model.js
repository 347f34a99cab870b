/** A run of the loop as the page knows it: the sum of the events that the server told. */

/**
 * @typedef {object} Candidate
 * @property {number} valence
 * @property {number} arousal
 * @property {[number, number]} uncertainty standard deviations
 * @property {{size: number}} gap to the target
 * @property {string[]} words
 * @property {{name: string, direction: string, where: string}[]} cues
 * @property {string} rationale
 * @property {number | null} content 0..1, shows the prompt; null where unknown
 * @property {string} thumbnail data URL
 */

/** @typedef {{unread: string, thumbnail: string}} Unread a picture without a reading, and why */

/**
 * @typedef {object} Round
 * @property {number} number
 * @property {string} prompt
 * @property {number} best which candidate is its best, counted from 1
 * @property {(Candidate | Unread)[]} candidates
 * @property {{valence: number, arousal: number} | null} aim what the body was handed; null where it
 *   was not steered
 */

/** @typedef {{text: string, change: "same" | "added" | "removed"}} Piece */

/**
 * @typedef {object} Refinement
 * @property {string} prompt the next round's
 * @property {Piece[]} changes from the prompt before
 * @property {string} refiner
 * @property {{text: string, reason: string}[]} suggestions
 */

/** @typedef {{pictures: number, steps: number, tokens: number, seconds: number, reused?: number}} Cost */

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
 * @property {{round: number, candidate: number, gap: {size: number}, chosen_by?: string} | null}
 *   best counted from 1
 * @property {Cost | null} cost
 * @property {{what: string, round: number, skippable: boolean} | null} doing
 * @property {string} ended why it stopped, in words; empty while it goes on
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

/** @param {any} point */
const isPoint = (point) => isNumber(point?.valence) && isNumber(point?.arousal);

/**
 * @param {Candidate | Unread | undefined} candidate
 * @returns {candidate is Candidate}
 */
export function wasRead(candidate) {
  return candidate !== undefined && !("unread" in candidate);
}

/** @param {any} candidate */
function isCandidate(candidate) {
  if (!/^data:image\/jpeg;base64,[\w+/=]*$/.test(candidate?.thumbnail)) return false;
  if (typeof candidate.unread === "string") return true;
  return (
    [candidate.valence, candidate?.arousal, candidate?.gap?.size].every(isNumber) &&
    candidate.uncertainty?.length === 2 &&
    candidate.uncertainty.every(isNumber) &&
    Array.isArray(candidate.words) &&
    Array.isArray(candidate.cues)
  );
}

/**
 * @param {Run} run
 * @param {any} texts
 */
function warn(run, texts) {
  if (Array.isArray(texts)) run.warnings = [...new Set([...run.warnings, ...texts.map(String)])];
}

/** @type {Record<string, (run: Run, event: any) => void>} */
const TAKE = {
  start(run, event) {
    if (isPoint(event.target)) run.plan = event;
  },
  round(run, event) {
    if (!Array.isArray(event.readings) || !Array.isArray(event.thumbnails)) return;
    const { round: number, prompt, best, readings, thumbnails } = event;
    const candidates = readings.map((/** @type {any} */ reading, /** @type {number} */ index) => ({
      ...reading,
      thumbnail: thumbnails[index],
    }));
    if (!candidates.every(isCandidate) || !wasRead(candidates[best - 1])) return;
    warn(run, event.unread);
    const aim = isPoint(event.aim) ? event.aim : null;
    run.rounds.set(number, { number, prompt, best, candidates, aim });
  },
  refined(run, event) {
    if (Array.isArray(event.suggestions) && Array.isArray(event.changes))
      run.refinements.set(event.round, event);
  },
  preferred() {}, // the best so far says it all
  skipped(run, event) {
    run.skipped.add(event.round);
    warn(run, event.unread);
  },
  doing(run, event) {
    const { what, round, skippable } = event;
    if (!run.ended) run.doing = { what, round, skippable };
  },
  end(run, event) {
    run.ended = String(event.why);
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
    if (event.best_so_far && isNumber(event.best_so_far.gap?.size)) run.best = event.best_so_far;
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
 * The candidate that the artist chose, as far as the loop has taken it up.
 * @param {Run} run
 */
export function chosenOf({ best }) {
  return best?.chosen_by === "you" ? { round: best.round, candidate: best.candidate } : null;
}

/**
 * What the run has cost, for people.
 * @param {Cost} cost
 */
export function costInWords({ pictures, steps, tokens, seconds, reused }) {
  const parts = [
    [reused, "reused round"],
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
