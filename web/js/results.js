/** Which run each node showed last, kept by the browser: for this tab first, then for all tabs. */

const KEY = "emofeedback.runs";
const MOST = 200;

/** @param {Storage} storage @returns {Record<string, string>} */
function stored(storage) {
  try {
    const found = JSON.parse(storage.getItem(KEY) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {}; // unreadable, or storage is switched off
  }
}

/**
 * Remembers the run that a node shows.
 * @param {string} workflow
 * @param {string} path the node's execution id
 * @param {string} run
 */
export function remember(workflow, path, run) {
  const place = `${workflow}/${path}`;
  for (const storage of [sessionStorage, localStorage]) {
    const { [place]: _, ...others } = stored(storage);
    const entries = [...Object.entries(others), [place, run]].slice(-MOST);
    try {
      storage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
    } catch {
      return; // full or switched off: the run is only not shown again after a reload
    }
  }
}

/**
 * The run that a node showed last, undefined if none is known.
 * @param {string} workflow
 * @param {string} path
 */
export function recall(workflow, path) {
  const place = `${workflow}/${path}`;
  return stored(sessionStorage)[place] ?? stored(localStorage)[place];
}
