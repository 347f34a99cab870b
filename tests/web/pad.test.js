import { createPad } from "../../web/js/pad.js";

const PLACES = /** @type {Record<string, [number, number]>} */ ({
  neutral: [0, 0],
  sad: [-1.95, -1.02],
});

function padOf({
  valence = 0,
  arousal = 0,
  locked = { valence: false, arousal: false },
  problem = "",
} = {}) {
  /** @type {any[]} */
  const asked = [];
  const pad = createPad({
    places: PLACES,
    onMove: (point) => asked.push(point),
    onWord: (word) => asked.push(word),
    onDone: () => asked.push("done"),
  });
  pad.show({ point: { valence, arousal }, word: "custom", locked, problem });
  /** @param {string} selector */
  const find = (selector) => /** @type {any} */ (pad.element.querySelector(selector));
  return { asked, find, pad };
}

/** @param {any} field @param {string} text */
function type(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("change"));
}

test("a typed number moves one axis and is one change", () => {
  const { asked, find } = padOf({ valence: 1, arousal: -1 });
  type(find("input[aria-label=arousal]"), "2.5");
  expect(asked).toEqual([{ valence: 1, arousal: 2.5 }, "done"]);
});

test.each([
  ["", []],
  ["12", [{ valence: 3, arousal: 0 }]],
  ["-99", [{ valence: -3, arousal: 0 }]],
])("typing %j asks for %j", (text, wanted) => {
  const { asked, find } = padOf();
  type(find("input[aria-label=valence]"), text);
  expect(asked.filter((each) => each !== "done")).toEqual(wanted);
});

test("a key held down is one change, however often it repeats", () => {
  const { asked, find, pad } = padOf();
  const plane = find(".emofb-plane");
  for (let repeat = 0; repeat < 5; repeat++)
    plane.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  plane.dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowRight" }));
  plane.dispatchEvent(new KeyboardEvent("keyup", { key: "Shift" }));
  expect(asked.filter((each) => each === "done")).toHaveLength(1);
  expect(pad.element.contains(plane)).toBe(true);
});

test("shortcuts of the page are left to the page", () => {
  const { asked, find } = padOf();
  const event = new KeyboardEvent("keydown", { key: "ArrowUp", ctrlKey: true, cancelable: true });
  find(".emofb-plane").dispatchEvent(event);
  expect(asked).toEqual([]);
  expect(event.defaultPrevented).toBe(false);
});

test("an axis that comes over a link stays where it is", () => {
  const { asked, find } = padOf({ valence: 1.5, locked: { valence: true, arousal: false } });
  find(".emofb-plane").dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
  find(".emofb-plane").dispatchEvent(new MouseEvent("dblclick"));
  expect(asked.filter((each) => each !== "done")).toEqual([
    { valence: 1.5, arousal: 0 },
    { valence: 1.5, arousal: 0 },
  ]);
  expect(find("input[aria-label=valence]").disabled).toBe(true);
  expect(find("input[aria-label=arousal]").disabled).toBe(false);
  expect(find("select").disabled).toBe(true);
});

test("a word is asked for by name", () => {
  const { asked, find } = padOf();
  type(find("select"), "sad");
  expect(asked).toEqual(["sad", "done"]);
});

test("screen readers are told value and region, and what is wrong", () => {
  const { find, pad } = padOf({ valence: 2, arousal: 2 });
  expect(find("[role=slider]").getAttribute("aria-valuetext")).toBe(
    "valence +2.00, arousal +2.00 (excitement)",
  );
  const locked = { valence: false, arousal: false };
  pad.show({
    point: { valence: 0, arousal: 0 },
    word: "custom",
    locked,
    problem: "valence is 99, beyond 3",
  });
  expect(find("[role=status]").textContent).toContain("99");
});
