/** What changed between two prompts, word by word. */

/**
 * A run of words, with the space before it: kept, taken out or put in.
 * @typedef {{kind: "same" | "out" | "in", text: string}} Piece
 */

const LONGEST = 600; // words; beyond, the table of the comparison would grow without use

/**
 * Words and punctuation, each with the space before it: a comma after a word does not change it.
 * @param {string} text
 */
function words(text) {
  return text.trim().replace(/\s+/g, " ").match(/ ?[,.;:!?]+| ?[^\s,.;:!?]+/g) ?? [];
}

/**
 * @param {string} one
 * @param {string} other
 */
function isSame(one, other) {
  return one.trimStart() === other.trimStart();
}

/**
 * The pieces that turn `before` into `after`, by their longest common sequence of words.
 * @param {string} before
 * @param {string} after
 * @returns {Piece[]}
 */
export function wordDiff(before, after) {
  const [old, now] = [words(before), words(after)];
  if (Math.max(old.length, now.length) > LONGEST)
    return joined([...old.map(piece("out")), ...now.map(piece("in"))]);
  const common = commonLengths(old, now);
  /** @type {Piece[]} */
  const found = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && isSame(old[i], now[j])) {
      found.push({ kind: "same", text: now[j] });
      (i++, j++);
    } else if (j === now.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) {
      found.push({ kind: "out", text: old[i++] });
    } else {
      found.push({ kind: "in", text: now[j++] });
    }
  }
  return joined(found);
}

/**
 * lengths[i][j]: the longest common sequence of old from i on and now from j on.
 * @param {string[]} old
 * @param {string[]} now
 */
function commonLengths(old, now) {
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      lengths[i][j] =
        isSame(old[i], now[j])
          ? lengths[i + 1][j + 1] + 1
          : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
  return lengths;
}

/** @param {Piece["kind"]} kind */
function piece(kind) {
  return (/** @type {string} */ text) => ({ kind, text });
}

/** @param {Piece[]} pieces */
function joined(pieces) {
  /** @type {Piece[]} */
  const runs = [];
  for (const { kind, text } of pieces) {
    const last = runs.at(-1);
    if (last?.kind === kind) last.text += text;
    else runs.push({ kind, text });
  }
  return runs;
}
