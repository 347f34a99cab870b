/** The pictures of all rounds in a row; a click says by which one the loop shall go on. */

import { html } from "./element.js";
import { rounded } from "./plane.js";
import { roundsOf, wasRead } from "./run_model.js";

/** @typedef {import("./run_model.js").Run} Run */
/** @typedef {import("./run_model.js").Round} Round */
/** @typedef {{round: number, candidate: number}} Choice both counted from 1 */

/** @param {(choice: Choice) => void} onChoose */
export function createStrip(onChoose) {
  const element = html("div", {
    class: "emofb-strip",
    role: "group",
    "aria-label": "Pictures of all rounds; press one to go on from it",
  });
  /** @type {Run | null} */
  let shown = null;
  /** @type {Map<number, HTMLElement>} */
  let groups = new Map();

  element.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    const [round, candidate] = (button?.dataset.picture ?? "").split(":").map(Number);
    if (candidate) onChoose({ round, candidate });
  });
  element.addEventListener("wheel", (event) => event.stopPropagation());

  /**
   * @param {Run} run
   * @param {Choice | null} chosen
   */
  function show(run, chosen) {
    if (run !== shown) {
      shown = run;
      groups = new Map();
      element.replaceChildren();
    }
    const rounds = roundsOf(run);
    const end = element.scrollLeft + element.clientWidth >= element.scrollWidth - 4;
    const known = groups.size;
    for (const round of rounds)
      if (!groups.has(round.number)) groups.set(round.number, groupOf(round));
    if (groups.size > known)
      element.replaceChildren(...rounds.flatMap(({ number }) => groups.get(number) ?? []));
    const name = chosen ? `${chosen.round}:${chosen.candidate}` : "";
    for (const button of element.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.picture === name));
    element.hidden = !rounds.length;
    if (end && groups.size > known) element.scrollLeft = element.scrollWidth;
  }

  return { element, show };
}

/** @param {Round} round */
function groupOf({ number, best, candidates }) {
  const label = `Round ${number}`;
  const pictures = candidates.map((candidate, place) => {
    const name = `${label}, picture ${place + 1}`;
    const read = wasRead(candidate);
    const told = read ? `${name}: gap ${rounded(candidate.gap.size)}` : `${name}: not read`;
    return html(
      "button",
      {
        type: "button",
        class: place === best - 1 ? "emofb-round-best" : "",
        "data-picture": `${number}:${place + 1}`,
        "aria-label": told,
        title: told,
        disabled: !read,
      },
      html("img", { src: candidate.thumbnail, alt: "", loading: "lazy" }),
    );
  });
  return html("div", { class: "emofb-group", role: "group", "aria-label": label }, ...pictures);
}
