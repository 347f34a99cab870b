import { costInWords, emptyRun, roundsOf, take } from "../../web/js/run_model.js";
import { createRunView } from "../../web/js/run_view.js";
import { drawRun } from "../../web/js/trajectory.js";

const THUMBNAIL = "data:image/jpeg;base64,/9j/4AAQ";

const NOBODY = {
  onAccept() {},
  onSkip() {},
  onChoose() {},
  onContinue() {},
  onStartOver() {},
  cutAt: "soon",
};

/** @param {number} valence */
const candidate = (valence) => ({
  valence,
  arousal: -1,
  uncertainty: [0.3, 0.2],
  gap: { size: Math.abs(2 - valence) },
  words: ["calm"],
  cues: [],
  rationale: "",
  content: null,
});

/** @param {object[]} readings */
const seen = (...readings) => ({ readings, thumbnails: readings.map(() => THUMBNAIL) });

/** @param {string} clause */
const changes = (clause) => [
  { text: "a boat", change: "same" },
  { text: clause, change: "added" },
];

/** @param {number} rounds @param {number} candidates */
function story(rounds, candidates) {
  /** @type {any[]} */
  const events = [
    {
      kind: "start",
      prompt: "a boat",
      target: { valence: 2, arousal: -1 },
      rounds,
      candidates,
      tolerance: 0.3,
    },
  ];
  for (let round = 1; round <= rounds; round++) {
    const cost = { pictures: round * candidates, steps: 0, tokens: 0, seconds: round };
    const best_so_far = { round, candidate: 1, gap: { size: 1 / round } };
    const made = Array.from({ length: candidates }, (_, index) =>
      candidate(2 - (index + 1) / round / candidates),
    );
    events.push({ kind: "doing", what: "painting", round, skippable: true });
    events.push({
      kind: "round",
      round,
      prompt: "a boat",
      best: 1,
      ...seen(...made),
      cost,
      best_so_far,
    });
    if (round < rounds)
      events.push({
        kind: "refined",
        round,
        prompt: "a boat, calm",
        changes: changes(", calm"),
        refiner: "rules",
        suggestions: [],
        cost,
        best_so_far,
      });
  }
  const last = events.at(-1);
  return [
    ...events,
    {
      kind: "end",
      stop_reason: "rounds",
      why: "all rounds done",
      warnings: [],
      cost: last.cost,
      best_so_far: last.best_so_far,
    },
  ];
}

/** @param {any[]} events */
function told(events) {
  const run = emptyRun();
  take(run, events);
  return run;
}

test("a story told twice, or with its beginning again, is the same run", () => {
  const events = story(3, 4);
  expect(told([...events, ...events])).toEqual(told(events));
  expect(told([...events.slice(0, 4), ...events])).toEqual(told(events));
});

test("the later events of a record may come before the earlier ones", () => {
  const events = story(3, 2);
  const run = told([...events.slice(5), ...events.slice(0, 5)]);
  expect(roundsOf(run).map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(run.ended).toBe("all rounds done");
  expect(run.doing).toBeNull();
});

test.each([
  [null],
  [42],
  [{}],
  [{ kind: "constructor" }],
  [{ kind: "from a newer version" }],
  [{ kind: "start", target: { valence: "x" } }],
  [{ kind: "round", round: 9, best: 5, ...seen(candidate(1)) }],
  [
    {
      kind: "round",
      round: 9,
      best: 1,
      readings: [candidate(1)],
      thumbnails: ["http://a.b/c.jpg"],
    },
  ],
  [{ kind: "round", round: 9, best: 1, ...seen({ ...candidate(1), valence: NaN }) }],
  [{ kind: "refined", round: 9 }],
  [{ kind: "refined", round: 9, suggestions: [] }],
])("a broken line of a record changes nothing: %j", (line) => {
  expect(told([...story(1, 1), line])).toEqual(told(story(1, 1)));
});

test("a picture without a reading is named, has no place on the plane, and cannot be the best", () => {
  const [start, doing, round] = story(1, 2);
  const unread = {
    ...round,
    ...seen(candidate(1), { unread: "refused" }),
    unread: ["it says why"],
  };
  const run = told([start, doing, unread, unread]);
  expect(drawRun(run).spots.map(({ index }) => index)).toEqual([0]);
  expect(run.warnings).toEqual(["it says why"]);
  expect(told([start, { ...unread, best: 2 }]).rounds.size).toBe(0);
  const skipped = { kind: "skipped", round: 1, unread: ["nobody there"] };
  expect(told([start, skipped]).warnings).toEqual(["nobody there"]);
});

test("every candidate of fifty rounds of sixteen is on the plane, with one path of the best", () => {
  const { element, spots } = drawRun(told(story(50, 16)));
  expect(spots).toHaveLength(800);
  expect(element.querySelectorAll(".emofb-spot")).toHaveLength(800);
  expect(element.querySelectorAll(".emofb-doubt")).toHaveLength(50);
  expect(element.querySelector(".emofb-path")?.getAttribute("points")?.split(" ")).toHaveLength(50);
});

test("few candidates each show their uncertainty, in the plane's own units", () => {
  const { element } = drawRun(told(story(2, 3)));
  const doubts = [...element.querySelectorAll(".emofb-doubt")];
  expect(doubts).toHaveLength(6);
  expect(
    doubts.every((one) => one.getAttribute("rx") === "0.3" && one.getAttribute("ry") === "0.2"),
  ).toBe(true);
});

test("the panel offers to skip only while pictures are being made, and nothing when it is over", () => {
  const view = createRunView(NOBODY);
  const [accept, skip] = [...view.element.querySelectorAll(".emofb-buttons button")];
  const events = story(2, 2);
  /** @param {any[]} known @param {boolean} going */
  const buttons = (known, going) => {
    view.show(told(known), { going });
    return [accept, skip].map((button) => !(/** @type {HTMLButtonElement} */ (button).disabled));
  };
  expect(buttons(events.slice(0, 2), true)).toEqual([true, true]);
  expect(
    buttons(
      [...events.slice(0, 2), { kind: "doing", what: "looking", round: 1, skippable: false }],
      true,
    ),
  ).toEqual([true, false]);
  expect(buttons(events, false)).toEqual([false, false]);
});

test("how the first prompt was rewritten shows before a picture and beside the first round", () => {
  const view = createRunView(NOBODY);
  const [start, ...rest] = story(2, 1);
  const rewritten = {
    kind: "refined",
    round: 0,
    prompt: "a boat, soft sky",
    changes: changes(", soft sky"),
    refiner: "rules",
    suggestions: [{ text: "sky: plain -> soft", reason: "raises valence" }],
    cost: { pictures: 0, steps: 0, tokens: 9, seconds: 1 },
    best_so_far: null,
  };
  const words = /** @type {HTMLElement} */ (view.element.querySelector(".emofb-words"));
  /** @param {any[]} events */
  const shown = (events) => {
    view.show(told(events), { going: false });
    return [...words.querySelectorAll("ins")].map((piece) => piece.textContent);
  };
  expect(shown([start])).toEqual([]);
  expect(shown([start, rewritten])).toEqual([", soft sky"]);
  expect(words.textContent).toContain("sky: plain -> soft (raises valence)");
  expect(view.element.querySelector(".emofb-cost")?.textContent).toBe("9 tokens · 1 s");
  expect(shown([start, rewritten, ...rest.slice(0, 3)])).toEqual([", calm", ", soft sky"]);
  expect(shown([start, rewritten, ...rest])).toEqual([]); // the second round is another page
});

test("what the loop does and why it stopped are the server's own words", () => {
  const view = createRunView(NOBODY);
  const status = view.element.querySelector(".emofb-status");
  const events = story(1, 1);
  view.show(told(events.slice(0, 2)), { going: true });
  expect(status?.textContent).toBe("Round 1 of 1: painting");
  view.show(told(events), { going: false });
  expect(status?.textContent).toBe("Done, all rounds done: best gap 1.00 in round 1");
});

test("what was taken out and put in is marked", () => {
  const view = createRunView(NOBODY);
  const events = story(2, 1);
  const refined = events.find(({ kind }) => kind === "refined");
  refined.changes = [
    { text: "a boat", change: "removed" },
    { text: "a ship", change: "added" },
  ];
  view.show(told(events.slice(0, 4)), { going: true });
  expect(view.element.querySelector("del")?.textContent).toBe("a boat");
  expect(view.element.querySelector("ins")?.textContent).toBe("a ship");
});

test("what a picture's words say is text, never markup", () => {
  const view = createRunView(NOBODY);
  const events = story(1, 1);
  events[2].readings[0].rationale = "<img src=x onerror=alert(1)>";
  view.show(told(events), { going: false });
  expect(view.element.querySelectorAll("img[onerror]")).toHaveLength(0);
  expect(view.element.textContent).toContain("<img src=x");
});

test("a cue that the rationale names is not told twice", () => {
  const view = createRunView(NOBODY);
  const events = story(1, 1);
  events[2].readings[0].cues = ["mist", "a storm"].map((name) => ({ name, direction: "calms" }));
  events[2].readings[0].rationale = "The mist calms it.";
  view.show(told(events), { going: false });
  expect(view.element.textContent?.match(/mist/g)).toHaveLength(1);
  expect(view.element.textContent).toContain("Seen: a storm: calms");
});

test("arrow keys go through the pictures in order and around", () => {
  const view = createRunView(NOBODY);
  view.show(told(story(1, 3)), { going: false });
  const plot = /** @type {HTMLElement} */ (view.element.querySelector(".emofb-plot"));
  const seen = ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"].map((key) => {
    plot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    return view.element.querySelector(".emofb-card")?.textContent?.match(/picture (\d)/)?.[1];
  });
  expect(seen).toEqual(["1", "2", "3", "1", "3"]);
});

test("cost leaves out what nobody counted", () => {
  expect(costInWords({ pictures: 1, steps: 0, tokens: 250, seconds: 7.6 })).toBe(
    "1 picture · 250 tokens · 8 s",
  );
  expect(costInWords({ pictures: 8, steps: 160, tokens: 0, seconds: 125 })).toBe(
    "8 pictures · 160 steps · 2 min 5 s",
  );
});

test("the aim of a round is a diamond on the plane, and none where none was handed out", () => {
  const aims = [{ valence: 1, arousal: -2 }, null, { valence: Number.NaN, arousal: 0 }];
  const events = story(3, 2).map((event) =>
    event.kind === "round" ? { ...event, aim: aims[event.round - 1] } : event,
  );
  const run = told(events);
  expect(roundsOf(run).map(({ aim }) => aim)).toEqual([aims[0], null, null]);
  const drawn = drawRun(run).element.querySelectorAll(".emofb-aim");
  expect([...drawn].map((each) => each.getAttribute("points"))).toEqual([
    "1,1.85 1.15,2 1,2.15 0.85,2",
  ]);
  expect(drawRun(told(story(3, 2))).element.querySelector(".emofb-aim")).toBeNull();
});
