import { expect, test, vi } from "vitest";
import { resumeText, resumeWidget } from "../../web/js/resume.js";
import { chosenOf, emptyRun, take } from "../../web/js/run_model.js";
import { Panels } from "../../web/js/run_widget.js";
import { createStrip } from "../../web/js/strip.js";

const THUMBNAIL = "data:image/jpeg;base64,/9j/4AAQ";

/** @param {number} number @param {object[]} more */
const round = (number, ...more) => {
  const readings = [0, 1].map((valence) => ({
    valence,
    arousal: 0,
    uncertainty: [0, 0],
    gap: { size: valence },
    words: [],
    cues: [],
    rationale: "",
  }));
  const all = [...readings, ...more];
  return {
    kind: "round",
    round: number,
    best: 1,
    readings: all,
    thumbnails: all.map(() => THUMBNAIL),
  };
};

test("the strip holds every picture in order, however the rounds came", () => {
  const clicked = vi.fn();
  const { element, show } = createStrip(clicked);
  const run = emptyRun();
  take(run, [round(2, { unread: "no answer" })]);
  show(run, null);
  take(run, [round(1)]);
  show(run, { round: 2, candidate: 2 });
  const buttons = [...element.querySelectorAll("button")];
  expect(buttons.map((button) => button.dataset.picture)).toEqual([
    "1:1",
    "1:2",
    "2:1",
    "2:2",
    "2:3",
  ]);
  expect(buttons.filter((button) => button.getAttribute("aria-pressed") === "true")).toEqual([
    buttons[3],
  ]);
  expect(buttons.map((button) => button.disabled)).toEqual([false, false, false, false, true]);
  buttons[1].querySelector("img")?.click();
  expect(clicked).toHaveBeenCalledExactlyOnceWith({ round: 1, candidate: 2 });
  show(emptyRun(), null);
  expect(element.hidden).toBe(true);
});

test("who chose the best picture is told by the server", () => {
  const run = emptyRun();
  const best_so_far = { round: 1, candidate: 2, gap: { size: 1 }, chosen_by: "gap" };
  take(run, [{ kind: "preferred", best_so_far }]);
  expect(chosenOf(run)).toBeNull();
  take(run, [{ kind: "preferred", best_so_far: { ...best_so_far, chosen_by: "you" } }]);
  expect(chosenOf(run)).toEqual({ round: 1, candidate: 2 });
});

test("the widget to go on with is the loop's own", () => {
  /** @param {number} id @param {string} comfyClass @param {object} [more] */
  const node = (id, comfyClass, more) =>
    /** @type {any} */ ({
      id,
      comfyClass,
      inputs: [],
      widgets: [{ name: "resume", value: "" }],
      ...more,
    });
  const [one, two] = [node(1, "EmoFB_StartLoop"), node(2, "EmoFB_StartLoop")];
  const end = node(3, "EmoFB_EndLoop", {
    widgets: [],
    inputs: [{ name: "start" }],
    getInputNode: () => two,
  });
  const lost = node(4, "EmoFB_EndLoop", {
    widgets: [],
    inputs: [{ name: "start" }],
    getInputNode: () => null,
  });
  const whole = node(5, "EmoFB_EmotionFeedback");
  const graph = /** @type {any} */ ({ nodes: [one, two, end, lost, whole] });
  expect(resumeWidget(end, graph)).toBe(two.widgets[0]);
  expect(resumeWidget(whole, graph)).toBe(whole.widgets[0]);
  expect(resumeWidget(lost, graph)).toBeUndefined();
  expect(resumeWidget(lost, /** @type {any} */ ({ nodes: [one, lost] }))).toBe(one.widgets[0]);
  expect(resumeText("ab", { round: 2, candidate: 1 }, 3)).toBe("ab:2:1:3");
  expect(resumeText("ab", null, 3)).toBe("ab:0:0:3");
});

test("what is pressed when a loop goes on is what leads it, and nothing once it is let go", async () => {
  const resume = { name: "resume", value: "" };
  const queuePrompt = vi.fn();
  /** @type {HTMLElement | undefined} */
  let panel;
  const node = /** @type {any} */ ({
    id: 5,
    comfyClass: "EmoFB_EmotionFeedback",
    widgets: [resume],
    addDOMWidget: (/** @type {any[]} */ ...[, , element]) => {
      panel = element;
      return {};
    },
  });
  const graph = { id: "w", nodes: [node], getNodeById: () => node };
  const panels = new Panels(/** @type {any} */ ({ graph, queuePrompt }), /** @type {any} */ ({}));
  panels.add(node);
  const best = { round: 1, candidate: 2, gap: { size: 1 }, chosen_by: "you" };
  const start = { kind: "start", prompt: "a boat", target: { valence: 2, arousal: 0 }, rounds: 1 };
  const events = [
    { ...start, candidates: 2, tolerance: 0.3 },
    round(1),
    { kind: "preferred", best_so_far: best },
    { kind: "end", why: "all rounds done", best, warnings: [] },
  ];
  panels.hear(/** @type {any} */ ({ run: "ab", node: "5", workflow: "w", prompt_id: "p", events }));
  const press = async (/** @type {string} */ selector, /** @type {string} */ text) => {
    await new Promise(requestAnimationFrame);
    const buttons = [...(panel?.querySelectorAll(selector) ?? [])];
    const button = buttons.find((each) => each.outerHTML.includes(text));
    /** @type {HTMLElement} */ (button).click();
    return resume.value;
  };
  expect(await press("button", "Continue")).toBe("ab:1:2:3");
  await press(".emofb-strip button", 'data-picture="1:2"');
  expect(await press("button", "Continue")).toBe("ab:0:0:3");
  await press(".emofb-strip button", 'data-picture="1:1"');
  expect(await press("button", "Continue")).toBe("ab:1:1:3");
  expect(queuePrompt).toHaveBeenCalledTimes(3);
});
