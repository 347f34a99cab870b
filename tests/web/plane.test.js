import {
  CATEGORIES,
  LIMIT,
  category,
  fromBox,
  moved,
  rounded,
  signed,
  snapped,
  toBox,
  understood,
} from "../../web/js/plane.js";

/** A number from 0 to 1 that is the same in every run. @param {number} index */
const spread = (index) => (index * 0.618034) % 1;

test("a place on the pad and its point are the same to half a step", () => {
  for (let index = 0; index < 200; index++) {
    const [x, y] = [spread(index), spread(index * 7 + 3)];
    const back = toBox(fromBox(x, y));
    expect(Math.abs(back.x - x)).toBeLessThanOrEqual(0.025 / 6 + 1e-9);
    expect(Math.abs(back.y - y)).toBeLessThanOrEqual(0.025 / 6 + 1e-9);
  }
});

test("up is activated, right is pleasant, and outside is the edge", () => {
  expect(fromBox(1, 0)).toEqual({ valence: 3, arousal: 3 });
  expect(fromBox(-4, 9)).toEqual({ valence: -3, arousal: -3 });
  expect(fromBox(0.5, 0.5)).toEqual({ valence: 0, arousal: 0 });
});

test("no key leads off the plane or off the widgets' grid", () => {
  let point = { valence: 2.85, arousal: -2.95 };
  for (const key of ["ArrowRight", "ArrowDown", "PageDown", "ArrowRight", "ArrowRight", "PageUp"])
    for (const shiftKey of [false, true]) {
      point = moved(point, { key, shiftKey }) ?? point;
      for (const value of Object.values(point)) {
        expect(Math.abs(value)).toBeLessThanOrEqual(LIMIT);
        expect(snapped(value)).toBe(value);
      }
    }
  expect(moved(point, { key: "Home" })).toEqual({ valence: 0, arousal: 0 });
  expect(moved(point, { key: "a" })).toBeNull();
});

test("a step and its opposite lead back", () => {
  const start = { valence: 0.3, arousal: -0.7 };
  const there = moved(start, { key: "ArrowRight" });
  expect(there && moved(there, { key: "ArrowLeft" })).toEqual(start);
});

test("regions lie counter-clockwise at eighths of the circle, neutral in the middle", () => {
  CATEGORIES.forEach((name, index) => {
    const angle = (index * Math.PI) / 4;
    expect(category({ valence: 2 * Math.cos(angle), arousal: 2 * Math.sin(angle) })).toBe(name);
  });
  expect(category({ valence: 0.3, arousal: -0.3 })).toBe("neutral");
});

test.each([["abc"], [null], [undefined], [NaN], [{}], [[]], [""], [true]])(
  "a stored %s is told, not shown as a feeling",
  (stored) => {
    const { value, problem } = understood("valence", stored);
    expect(value).toBe(0);
    expect(problem).toContain("valence");
  },
);

test("a number beyond the scale shows at its edge, a number as text as itself", () => {
  expect(understood("arousal", 99)).toEqual({ value: 3, problem: "arousal is 99, beyond 3" });
  expect(understood("arousal", "-1.5")).toEqual({ value: -1.5, problem: "" });
});

test.each([
  [0.125, "0.12"],
  [0.375, "0.38"],
  [-1.125, "-1.12"],
  [-1.875, "-1.88"],
  [0.005, "0.01"],
  [2.675, "2.67"],
  [1, "1.00"],
  [-0.001, "0.00"],
])("%s is rounded to %s, as Python writes it on nodes and charts", (value, text) => {
  expect(rounded(value)).toBe(text);
  expect(signed(value)).toBe(value < -0.005 ? text : `+${text}`);
});
